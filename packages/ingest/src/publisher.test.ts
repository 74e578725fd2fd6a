import { LANE_NAMES, type LaneName, laneOf, PRIORITY_NAMES, Priority, Source } from "@esc/events";
import { BlockingWaitStrategy } from "@esc/queues";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { acceptedCounter, droppedCounter, endedCounter, MAX_PENDING_TICKETS, Publisher } from "./index.ts";
import { openClaim } from "./open-claim.fixture.ts";
import { PublisherRig } from "./publisher-rig.fixture.ts";

const waiting = new BlockingWaitStrategy();
const code = (name: string) => expect.objectContaining({ code: name });

describe("one event", () => {
  const event = fc.record({
    topic: fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }),
    payload: fc.uint8Array({ maxLength: 700 }),
    priority: fc.constantFrom(...PRIORITY_NAMES),
    id: fc.option(fc.uint8Array({ minLength: 16, maxLength: 16 }), { nil: undefined }),
    metadata: fc.option(
      fc.dictionary(
        fc.string({ maxLength: 20 }).filter((key) => key !== "deliverAt" && !key.startsWith("dl.")),
        fc.uint8Array({ maxLength: 40 }),
      ),
      { nil: undefined },
    ),
    deliverAt: fc.option(fc.nat(), { nil: undefined }),
  });

  test("comes out of its lane as it went in, whatever its bytes, id and metadata", () => {
    const rig = new PublisherRig();
    using publisher = rig.publisher();
    fc.assert(
      fc.property(event, (given) => {
        expect(publisher.publish(given)).toBe("accepted");
        const lane = LANE_NAMES[laneOf(Priority[given.priority])] as LaneName;
        const metadata = Object.entries(given.metadata ?? {}).map(([k, v]) => [k, Buffer.from(v).toString("hex")]);
        const due = Buffer.from(String(given.deliverAt)).toString("hex");
        expect(rig.take(lane)).toEqual([
          {
            sequence: expect.any(Number),
            topic: given.topic,
            priority: Priority[given.priority],
            source: Source.inProcess,
            id: given.id && Buffer.from(given.id).toString("hex"),
            metadata: { ...(given.deliverAt !== undefined && { deliverAt: due }), ...Object.fromEntries(metadata) },
            payload: Buffer.from(given.payload).toString("hex"),
            tombstone: false,
          },
        ]);
      }),
    );
  });

  test("goes where topics.conf says, whatever priority it is published with", () => {
    const rig = new PublisherRig({ overrides: [{ pattern: "alerts.>", priority: Priority.CRITICAL }] });
    using publisher = rig.publisher();
    publisher.publish({ topic: "alerts.fire", payload: "x", priority: "BATCH" });
    expect(rig.take("realtime")).toMatchObject([{ topic: "alerts.fire", priority: Priority.CRITICAL }]);
  });

  test("that finds its lane full is refused by a value and counted nowhere; it is taken once there is space", () => {
    for (const [lane, priority] of [
      ["transactional", "LOW"],
      ["batch", "BATCH"],
    ] as const) {
      const rig = new PublisherRig({ capacityBytes: 32_768 });
      using publisher = rig.publisher();
      let taken = 0;
      while (publisher.publish({ topic: "t", payload: Buffer.alloc(1_000), priority }) === "accepted") taken++;
      expect(taken).toBe(31);
      expect(rig.accepted(lane)).toBe(taken);
      expect(rig.places.value(droppedCounter(lane))).toBe(0);
      expect(publisher.waitForSpace(waiting, 0)).toBe(false);
      expect(rig.take(lane)).toHaveLength(taken);
      expect(publisher.waitForSpace(waiting, 0)).toBe(true);
      expect(publisher.publish({ topic: "t", payload: Buffer.alloc(1_000), priority })).toBe("accepted");
    }
  });

  test("that finds the realtime lane full asks its processor to skip the oldest", () => {
    const rig = new PublisherRig({ capacityBytes: 32_768 });
    using publisher = rig.publisher();
    while (publisher.publish({ topic: "t", payload: Buffer.alloc(1_000), priority: "HIGH" }) === "accepted");
    expect(rig.rings.realtime.skipTarget).toBeGreaterThan(0);
  });

  test("that has to wait for another thread's claim stays, and asks nobody to skip: there is space", () => {
    const rig = new PublisherRig({ capacityBytes: 32_768 });
    using publisher = rig.publisher();
    const event = { topic: "t", payload: Buffer.alloc(1_000), priority: "HIGH" } as const;
    for (let i = 0; i < 26; i++) publisher.publish(event);
    const close = openClaim(rig.rings.realtime);
    // Its claim is done, but not its turn.
    expect(publisher.publish(event)).toBe("accepted");
    expect(publisher.publish(event)).toBe("full");
    expect(publisher.ready()).toBe(false);
    expect(rig.rings.realtime.skipTarget).toBe(0);
    close();
    expect(publisher.ready()).toBe(true);
    expect(publisher.publish(event)).toBe("accepted");
    expect(rig.take("realtime").filter(({ tombstone }) => !tombstone)).toHaveLength(28);
    expect(rig.accepted("realtime")).toBe(28);
  });

  test.each([
    ["an empty topic", { topic: "", payload: "" }],
    ["half of a surrogate pair in a topic", { topic: "\ud800", payload: "" }],
    ["a topic over 65,535 bytes", { topic: "é".repeat(32_768), payload: "" }],
    ["a payload that is a number", { topic: "t", payload: 1 as unknown as string }],
    ["a priority that there isn't", { topic: "t", payload: "", priority: "URGENT" as "HIGH" }],
    ["a priority's number that there isn't", { topic: "t", payload: "", priority: 7 as 4 }],
    ["an id of 15 bytes", { topic: "t", payload: "", id: new Uint8Array(15) }],
    ["a time that is none", { topic: "t", payload: "", deliverAt: Number.NaN }],
    ["metadata that the lanes read", { topic: "t", payload: "", metadata: { "dl.retried": "1" } }],
    ["metadata over 65,535 bytes", { topic: "t", payload: "", metadata: { a: "x".repeat(65_536) } }],
  ])("with %s throws, and nothing is published", (_, event) => {
    const rig = new PublisherRig();
    using publisher = rig.publisher();
    expect(() => publisher.publish(event)).toThrow(code("ESC_PUBLISH_INVALID"));
    expect(LANE_NAMES.flatMap((lane) => rig.take(lane))).toEqual([]);
  });

  test("of the longest length is taken; one byte more throws", () => {
    const rig = new PublisherRig({ maxFrameBytes: 8_192 });
    using publisher = rig.publisher();
    expect(publisher.publish({ topic: "t", payload: Buffer.alloc(8_192 - 4, 1) })).toBe("accepted");
    expect(rig.take("transactional")[0]?.payload).toHaveLength(2 * 8_188);
    expect(() => publisher.publish({ topic: "t", payload: Buffer.alloc(8_192 - 3) })).toThrow(
      code("ESC_PUBLISH_TOO_LARGE"),
    );
  });
});

describe("a batch", () => {
  test("is published at once, each event to its lane, and is empty then", () => {
    const rig = new PublisherRig();
    using publisher = rig.publisher();
    const batch = publisher.batch(4_096);
    const [orders, alerts] = [publisher.topic("orders"), publisher.topic("alerts", "CRITICAL")];
    for (let i = 0; i < 10; i++) {
      expect(batch.add(orders, Buffer.from([i]))).toBe(true);
      expect(batch.add(alerts, Buffer.from([i]))).toBe(true);
      expect(batch.add(orders, Buffer.from([i]), Priority.BATCH)).toBe(true);
    }
    expect(batch.events).toBe(30);
    expect(publisher.publishBatch(batch)).toBe("accepted");
    expect(batch.accepted).toEqual({ realtime: 10, transactional: 10, batch: 10 });
    expect([batch.events, batch.byteLength]).toEqual([0, 0]);
    for (const lane of LANE_NAMES) {
      expect(rig.take(lane).map(({ payload }) => Number(payload))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
  });

  test("says when it is full, and takes a payload that is filled in afterwards", () => {
    const rig = new PublisherRig();
    using publisher = rig.publisher();
    const batch = publisher.batch(100);
    const topic = publisher.topic("t");
    batch.reserve(topic, 80)?.set(Buffer.alloc(80, 7));
    expect(batch.reserve(topic, 5)).toBeUndefined();
    expect(batch.add(topic, Buffer.alloc(5))).toBe(false);
    expect(batch.events).toBe(1);
    publisher.publishBatch(batch);
    expect(rig.take("transactional")[0]?.payload).toBe("07".repeat(80));
  });

  test("of more events than one plan takes is published whole", () => {
    const rig = new PublisherRig({ capacityBytes: 1 << 20 });
    using publisher = rig.publisher();
    const batch = publisher.batch(400_000);
    const topic = publisher.topic("t");
    for (let i = 0; i < 10_000; i++) expect(batch.add(topic, Buffer.alloc(4, i))).toBe(true);
    expect(publisher.publishBatch(batch)).toBe("accepted");
    expect(batch.accepted.transactional).toBe(10_000);
    expect(rig.take("transactional")).toHaveLength(10_000);
  });

  test("keeps what finds its lane full; other lanes go on, and each lane's order stands", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(4), fc.nat(900)), { minLength: 100, maxLength: 300 }),
        fc.infiniteStream(fc.nat(2)),
        (events, drained) => {
          const rig = new PublisherRig({ capacityBytes: 32_768 });
          using publisher = rig.publisher();
          const batch = publisher.batch(300_000);
          const topic = publisher.topic("t");
          const expected: Record<LaneName, number[]> = { realtime: [], transactional: [], batch: [] };
          for (const [n, [priority, size]] of events.entries()) {
            const payload = Buffer.alloc(4 + size);
            payload.writeUInt32BE(n);
            batch.add(topic, payload, priority as Priority);
            expected[LANE_NAMES[laneOf(priority as Priority)] as LaneName].push(n);
          }
          const seen: Record<LaneName, number[]> = { realtime: [], transactional: [], batch: [] };
          const drain = (lane: LaneName) =>
            seen[lane].push(...rig.take(lane).map(({ payload }) => Number.parseInt(payload.slice(0, 8), 16)));
          let left = batch.events;
          for (let rounds = 0; publisher.publishBatch(batch) === "full"; rounds++) {
            const kept = LANE_NAMES.reduce((sum, lane) => sum + batch.kept[lane], 0);
            const accepted = LANE_NAMES.reduce((sum, lane) => sum + batch.accepted[lane], 0);
            expect([kept, kept + accepted]).toEqual([batch.events, left]);
            left = kept;
            drain(LANE_NAMES[drained.next().value ?? 0] as LaneName);
            if (rounds > 1_000) throw new Error("never published");
          }
          for (const lane of LANE_NAMES) drain(lane);
          expect(seen).toEqual(expected);
          for (const lane of LANE_NAMES) expect(rig.accepted(lane)).toBe(expected[lane].length);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("of another publisher, one without room, and what isn't bytes throw", () => {
    const rig = new PublisherRig();
    using publisher = rig.publisher();
    using other = rig.publisher();
    expect(() => publisher.publishBatch(other.batch(100))).toThrow(code("ESC_PUBLISH_BATCH"));
    expect(() => publisher.batch(1 << 20)).toThrow(code("ESC_PUBLISH_BATCH"));
    expect(() => publisher.batch(100).add(publisher.topic("t"), "x" as unknown as Uint8Array)).toThrow(
      code("ESC_PUBLISH_INVALID"),
    );
    const batch = publisher.batch(100);
    expect(() => batch.add(publisher.topic("t"), Buffer.alloc(1), 9 as Priority)).toThrow(code("ESC_PUBLISH_INVALID"));
    expect(batch.events).toBe(0);
  });
});

describe("a publisher", () => {
  test("has one of a bounded number of places, which it gives back", () => {
    const rig = new PublisherRig({ places: 2 });
    const [first] = [rig.publisher(), rig.publisher()];
    expect(() => rig.publisher()).toThrow(code("ESC_PUBLISHERS"));
    first.close();
    first.close();
    expect(() => first.publish({ topic: "t", payload: "" })).toThrow(code("ESC_PUBLISHER_CLOSED"));
    for (let i = 0; i < 100; i++) {
      using again = rig.publisher();
      expect(again.publish({ topic: "t", payload: "" })).toBe("accepted");
    }
    expect(rig.places.value(acceptedCounter("transactional"))).toBe(100);
  });

  test("is told when nothing is taken any more, and no place is busy", () => {
    const rig = new PublisherRig();
    using publisher = rig.publisher();
    const batch = publisher.batch(1_000);
    batch.add(publisher.topic("t"), Buffer.alloc(1));
    rig.places.close();
    expect(publisher.publishBatch(batch)).toBe("closed");
    expect(batch.events).toBe(1);
    expect(publisher.publish({ topic: "t", payload: "" })).toBe("closed");
    expect(publisher.waitForSpace(waiting)).toBe(true);
    expect(rig.places.busy).toBe(false);
    expect(rig.take("transactional")).toEqual([]);
  });

  test("whose thread ended between counting and publishing leaves its count as lost; one that had published doesn't", () => {
    for (const closed of [[], ["batch"]] as const) {
      const rig = new PublisherRig();
      const { context, counters } = rig.places.take(99);
      const { buffer } = rig.arena.memory;
      // As the kernel leaves them there (`assembly/scan.ts`): 5 records, by which the count becomes 7.
      new BigUint64Array(buffer, context + 40, 3)[2] = 7n;
      new Uint32Array(buffer, context + 192 + 2 * 64 + 16, 1)[0] = 5;
      counters.add(acceptedCounter("batch"), 7);
      rig.places.giveUp(99, closed);
      expect(rig.places.value(endedCounter("batch"))).toBe(closed.length > 0 ? 5 : 0);
      expect(rig.places.holds(99)).toBe(false);
    }
  });

  test("attaches by a handle only", () => {
    expect(() => Publisher.attach({} as never)).toThrow(code("ESC_PUBLISH_HANDLE"));
  });
});

describe("a ticket", () => {
  const durable = (rig: PublisherRig, lane: LaneName) => {
    const ring = rig.rings[lane];
    ring.publishDurable(ring.publishedPosition, ring.publishedSequence);
  };

  test("is durable once every lane is durable up to where it was taken", async () => {
    const rig = new PublisherRig();
    using publisher = rig.publisher();
    expect(publisher.isDurable(publisher.ticket())).toBe(true);
    publisher.publish({ topic: "t", payload: "", priority: "LOW" });
    publisher.publish({ topic: "t", payload: "", priority: "BATCH" });
    const ticket = publisher.ticket();
    expect(publisher.isDurable(ticket)).toBe(false);
    let told = false;
    const promise = publisher.untilDurable(ticket).then(() => {
      told = true;
    });
    expect(rig.rings.batch.syncTarget).toBe(ticket.batch);
    durable(rig, "transactional");
    expect([publisher.isDurable(ticket), told]).toEqual([false, false]);
    durable(rig, "batch");
    await promise;
    expect(publisher.isDurable(ticket)).toBe(true);
  });

  test("can be waited for by a bounded number of promises, which closing rejects", async () => {
    const rig = new PublisherRig();
    const publisher = rig.publisher();
    publisher.publish({ topic: "t", payload: "" });
    const ticket = publisher.ticket();
    const promises = Array.from({ length: MAX_PENDING_TICKETS }, () => publisher.untilDurable(ticket));
    expect(() => publisher.untilDurable(ticket)).toThrow(code("ESC_PUBLISH_PENDING"));
    publisher.close();
    const outcomes = await Promise.allSettled(promises);
    expect(outcomes.every(({ status }) => status === "rejected")).toBe(true);
  });

  test("is given up when the server has stopped without it", async () => {
    const rig = new PublisherRig();
    using publisher = rig.publisher();
    publisher.publish({ topic: "t", payload: "" });
    const promise = publisher.untilDurable(publisher.ticket());
    rig.places.end();
    await expect(promise).rejects.toThrow(code("ESC_NOT_DURABLE"));
  });
});

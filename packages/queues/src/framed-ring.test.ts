import { Arena, type BytesView } from "@esc/arena";
import type { EscError } from "@esc/events";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { MpscRing, type RingProducer, type RingReader, SpscRing } from "./index.ts";

const CAPACITY = 4_096;
let arena: Arena;
let names = 0;

beforeEach(() => {
  arena = Arena.create({ bytes: 1 << 20 });
});

const bytesOf = (text: string) => Buffer.from(text);

function readAll(reader: RingReader, limit?: number): string[] {
  const seen: string[] = [];
  while (reader.read((record) => seen.push(Buffer.from(record.copy()).toString()), limit) > 0) {}
  return seen;
}

function codeOf(mistake: () => unknown): string | undefined {
  try {
    mistake();
  } catch (error) {
    return (error as EscError).code;
  }
  return undefined;
}

describe.each([
  ["SpscRing", SpscRing],
  ["MpscRing", MpscRing],
] as const)("%s", (_, kind) => {
  const make = (capacityBytes = CAPACITY) => kind.create(arena, `ring ${names++}`, { capacityBytes });

  test("what is offered is read, in order, whole; an empty record too", () => {
    const ring = make();
    const reader = ring.reader();
    const producer = ring.producer();
    for (const text of ["one", "", "three"]) expect(producer.offer(bytesOf(text))).toBe(true);
    expect(readAll(reader)).toEqual(["one", "", "three"]);
    expect(reader.read(() => undefined)).toBe(0);
    expect(reader.consumed).toBe(3);
  });

  test("a full ring is a return value, and reading makes space again", () => {
    const ring = make();
    const reader = ring.reader();
    const producer = ring.producer();
    let offered = 0;
    while (producer.offer(new Uint8Array(56))) offered++;
    expect(offered).toBe(CAPACITY / 64);
    expect(producer.tryClaim(1)).toBeUndefined();
    expect(producer.offerMany([new Uint8Array(1)])).toBe(0);
    expect(reader.read(() => undefined, 1)).toBe(1);
    expect(producer.offer(new Uint8Array(56))).toBe(true);
    expect(producer.offer(new Uint8Array(56))).toBe(false);
  });

  test("a ring that nobody reads keeps nothing: producers go on", () => {
    const producer = make().producer();
    for (let i = 0; i < 1_000; i++) expect(producer.offer(new Uint8Array(56))).toBe(true);
  });

  test("a claim is seen once it is committed, and never when it is aborted", () => {
    const ring = make();
    const reader = ring.reader();
    const producer = ring.producer();
    const claim = producer.tryClaim(8);
    claim?.view().setFloat64(0, 1.5);
    expect(reader.read(() => undefined)).toBe(0);
    claim?.commit();
    const given = producer.tryClaim(8);
    given?.view().setFloat64(0, 2.5);
    given?.abort();
    {
      using left = producer.tryClaim(16);
      left?.view().setFloat64(0, 3.5);
    }
    producer.tryClaim(8)?.abort();
    expect(producer.offer(bytesOf("after"))).toBe(true);
    const seen: (number | string)[] = [];
    while (reader.read((r) => seen.push(r.length === 8 ? r.getFloat64(0) : Buffer.from(r.copy()).toString())) > 0) {}
    expect(seen).toEqual([1.5, "after"]);
  });

  test("claims that are aborted on every place of the ring's end leave no trace", () => {
    const ring = make();
    const reader = ring.reader();
    const producer = ring.producer();
    const expected: string[] = [];
    const seen: string[] = [];
    for (let i = 0; i < 2_000; i++) {
      const claim = producer.claimMany(1 + (i % 3), (i * 37) % 500);
      if (i % 2 === 0) claim?.abort();
      else {
        for (let k = 0; k < (claim?.count ?? 0); k++) {
          claim
            ?.view(k)
            .bytes()
            .fill(i & 255);
          expected.push(Buffer.alloc((i * 37) % 500, i & 255).toString("hex"));
        }
        claim?.commit();
      }
      seen.push(...readHex(reader));
    }
    expect(seen).toEqual(expected);
  });

  test("claims that were given up take most of the ring: a read passes over them all and hands over the record behind", () => {
    const ring = make();
    const reader = ring.reader();
    const producer = ring.producer();
    for (let i = 0; i < 3; i++) producer.claimMany(5, 193)?.abort();
    expect(producer.offer(bytesOf("behind"))).toBe(true);
    const seen: string[] = [];
    expect(reader.read((record) => seen.push(Buffer.from(record.copy()).toString()))).toBe(1);
    expect(seen).toEqual(["behind"]);
  });

  test("many records of one claim come one by one, published at once", () => {
    const ring = make();
    const reader = ring.reader();
    const producer = ring.producer();
    const claim = producer.claimMany(10, 4);
    for (let i = 0; i < 10; i++) claim?.view(i).setUint32(0, i);
    expect(reader.ready()).toBe(false);
    claim?.commit();
    const seen: number[] = [];
    expect(reader.read((record) => seen.push(record.getUint32(0)), 3)).toBe(3);
    while (reader.read((record) => seen.push(record.getUint32(0))) > 0) {}
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("offerMany takes what fits, and says how many that were", () => {
    const ring = make();
    const reader = ring.reader();
    const producer = ring.producer();
    const records = Array.from({ length: 300 }, (_, i) => bytesOf(`record ${i}`));
    const seen: string[] = [];
    let from = 0;
    while (from < records.length) {
      const taken = producer.offerMany(records, from);
      from += taken;
      if (taken === 0) seen.push(...readAll(reader));
    }
    seen.push(...readAll(reader));
    expect(seen).toEqual(records.map(String));
    expect(producer.offerMany([])).toBe(0);
  });

  test("a record may take half of the ring; a larger one is an error that names both sizes", () => {
    const ring = make();
    const reader = ring.reader();
    const producer = ring.producer();
    for (let i = 0; i < 10; i++) {
      expect(producer.offer(new Uint8Array(producer.maxRecordBytes).fill(i))).toBe(true);
      reader.read((record) => expect(record.getUint8(record.length - 1)).toBe(i));
    }
    expect(() => producer.offer(new Uint8Array(producer.maxRecordBytes + 1))).toThrow(
      /1 record\(s\) of 2041 bytes take 2056: .* takes up to 2048 at once, half of its 4096/,
    );
  });

  test("each of several readers sees every record; the slowest that gates holds the producer back", () => {
    const ring = make();
    const fast = ring.reader();
    const slow = ring.reader();
    const producer = ring.producer();
    const texts = Array.from({ length: 32 }, (_, i) => `${i}`.padEnd(100));
    for (const text of texts) expect(producer.offer(bytesOf(text))).toBe(true);
    expect(readAll(fast)).toEqual(texts);
    while (producer.offer(bytesOf("more".padEnd(100)))) {}
    expect(ring.consumers().map(({ gating, lagBytes, consumed }) => ({ gating, lagBytes, consumed }))).toEqual([
      { gating: true, lagBytes: fast.lagBytes, consumed: 32 },
      { gating: true, lagBytes: slow.lagBytes, consumed: 0 },
    ]);
    expect(slow.lagBytes - fast.lagBytes).toBe(32 * 112);
    expect(ring.depthBytes).toBe(slow.lagBytes);
    expect(readAll(slow).slice(0, 32)).toEqual(texts);
    expect(slow.highWaterBytes).toBe(ring.publishedPosition);
    slow[Symbol.dispose]();
    expect(ring.consumers()).toHaveLength(1);
  });

  test("a reader that doesn't gate is overrun, learns by how much, and goes on behind the gap", () => {
    const ring = make();
    const tap = ring.reader({ gating: false });
    const producer = ring.producer();
    const seen: number[] = [];
    const record = Buffer.alloc(24);
    const offer = (n: number) => {
      record.writeUInt32LE(n);
      expect(producer.offer(record)).toBe(true);
    };
    for (let n = 0; n < 50; n++) offer(n);
    tap.read((r) => seen.push(r.getUint32(0)), 20);
    for (let n = 50; n < 400; n++) offer(n);
    expect(tap.read((r) => seen.push(r.getUint32(0)))).toBe(0);
    for (let n = 400; n < 410; n++) offer(n);
    while (tap.read((r) => seen.push(r.getUint32(0))) > 0) {}
    expect(seen).toEqual([
      ...Array.from({ length: 20 }, (_, n) => n),
      ...Array.from({ length: 10 }, (_, n) => 400 + n),
    ]);
    expect(tap.overrun).toEqual({ records: 380, bytes: 380 * 32 });
    expect(ring.depthBytes).toBe(0);
  });

  test("a reader that doesn't gate and keeps up misses nothing, aborted claims included", () => {
    const ring = make();
    const tap = ring.reader({ gating: false });
    const producer = ring.producer();
    const seen: number[] = [];
    for (let n = 0; n < 1_000; n++) {
      const claim = producer.tryClaim(4 + (n % 90));
      claim?.view().setUint32(0, n);
      if (n % 5 === 0) claim?.abort();
      else claim?.commit();
      tap.read((r) => seen.push(r.getUint32(0)));
    }
    expect(seen).toEqual(Array.from({ length: 1_000 }, (_, n) => n).filter((n) => n % 5 !== 0));
    expect(tap.overrun).toEqual({ records: 0, bytes: 0 });
  });

  test("a handler that throws has had its record: reading goes on behind it", () => {
    const ring = make();
    const reader = ring.reader();
    const producer = ring.producer();
    for (const text of ["a", "b", "c"]) producer.offer(bytesOf(text));
    const seen: string[] = [];
    expect(() =>
      reader.read((record) => {
        seen.push(Buffer.from(record.copy()).toString());
        if (seen.length === 2) throw new Error("no");
      }),
    ).toThrow("no");
    expect(readAll(reader)).toEqual(["c"]);
    expect(seen).toEqual(["a", "b"]);
    expect(reader.consumed).toBe(3);
  });

  test("for await hands over records as they come, and stops where the loop is left", async () => {
    const ring = make();
    const reader = ring.reader();
    const producer = ring.producer();
    const seen: string[] = [];
    const later = setInterval(() => producer.offer(bytesOf(`${seen.length}`)), 1);
    for await (const record of reader) {
      seen.push(Buffer.from(record.copy()).toString());
      if (seen.length === 5) break;
    }
    clearInterval(later);
    expect(seen).toEqual(["0", "1", "2", "3", "4"]);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("enough")), 5);
    await expect(async () => {
      for await (const _ of reader.records(controller.signal)) {
        // What was offered meanwhile.
      }
    }).rejects.toThrow("enough");
  });

  test("like a plain queue, for any lengths and any order of offering, claiming, aborting and reading", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("offer" as const), length: fc.integer({ min: 0, max: 700 }) }),
      fc.record({
        kind: fc.constantFrom("claim" as const, "abort" as const),
        length: fc.integer({ min: 0, max: 300 }),
        count: fc.integer({ min: 1, max: 5 }),
      }),
      fc.record({ kind: fc.constant("read" as const), limit: fc.integer({ min: 1, max: 20 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const ring = kind.create(Arena.create({ bytes: 1 << 16 }), "model", { capacityBytes: CAPACITY });
        const reader = ring.reader();
        const producer = ring.producer();
        const model: string[] = [];
        const seen: string[] = [];
        const expected: string[] = [];
        let fill = 0;
        for (const action of steps) {
          fill = (fill + 1) & 255;
          if (action.kind === "offer") {
            const bytes = Buffer.alloc(action.length, fill);
            if (producer.offer(bytes)) model.push(bytes.toString("hex"));
          } else if (action.kind === "read") {
            reader.read((record) => seen.push(Buffer.from(record.copy()).toString("hex")), action.limit);
            expected.push(...model.splice(0, seen.length - expected.length));
          } else {
            const claim = producer.claimMany(action.count, action.length);
            if (claim === undefined) continue;
            for (let i = 0; i < action.count; i++) claim.view(i).bytes().fill(fill);
            if (action.kind === "abort") claim.abort();
            else {
              claim.commit();
              for (let i = 0; i < action.count; i++) model.push(Buffer.alloc(action.length, fill).toString("hex"));
            }
          }
        }
        seen.push(...readHex(reader));
        expect(seen).toEqual([...expected, ...model]);
      }),
      { numRuns: 200 },
    );
  });

  test("a ring that is disposed of gives back what it gave out: places are free again, and nobody gates", () => {
    const made = make();
    {
      using ring = kind.attach(arena, made.name);
      ring.reader();
      ring.producer().offer(bytesOf("x"));
      expect(made.consumers()).toHaveLength(1);
    }
    expect(made.consumers()).toHaveLength(0);
    expect(made.producer().offer(bytesOf("y"))).toBe(true);
  });

  test("the place of a reader that doesn't gate can't be taken over: nobody kept its bytes for another", () => {
    const ring = make();
    const tap = ring.reader({ gating: false });
    expect(codeOf(() => ring.reader({ adopt: tap.slot }))).toBe("ESC_RING_ADOPT");
  });

  test("mistakes are errors with codes", () => {
    const ring = make();
    const producer = ring.producer();
    const reader = ring.reader();
    const claim = producer.tryClaim(8);
    expect(codeOf(() => producer.offer(bytesOf("x")))).toBe("ESC_RING_CLAIM");
    expect(codeOf(() => producer.tryClaim(1))).toBe("ESC_RING_CLAIM");
    expect(codeOf(() => claim?.view(1))).toBe("ESC_RING_CLAIM");
    claim?.commit();
    expect(codeOf(() => claim?.commit())).toBe("ESC_RING_CLAIM");
    expect(codeOf(() => claim?.view())).toBe("ESC_RING_CLAIM");
    expect(codeOf(() => producer.tryClaim(-1))).toBe("ESC_RING_CLAIM");
    expect(codeOf(() => producer.claimMany(0, 1))).toBe("ESC_RING_CLAIM");
    expect(codeOf(() => producer.claimMany(100, 100))).toBe("ESC_RING_RECORD_TOO_LARGE");
    expect(codeOf(() => ring.reader({ adopt: 5 }))).toBe("ESC_RING_ADOPT");
    expect(codeOf(() => reader.read(() => void reader.read(() => undefined)))).toBe("ESC_RING_READING");
    for (let i = 1; i < 8; i++) ring.reader();
    expect(codeOf(() => ring.reader())).toBe("ESC_RING_CONSUMERS");
    expect(codeOf(() => ring.reader({ gating: false }))).toBe("ESC_RING_CONSUMERS");
    producer[Symbol.dispose]();
    expect(codeOf(() => producer.offer(bytesOf("x")))).toBe("ESC_RING_CLAIM");
  });
});

test("a ring is attached by the class that made it", () => {
  SpscRing.create(arena, "one", { capacityBytes: CAPACITY });
  expect(() => MpscRing.attach(arena, "one")).toThrow(/"one" is a SpscRing, not a MpscRing/);
  expect(codeOf(() => SpscRing.attach(arena, "nobody"))).toBe("ESC_ARENA_REGION_UNKNOWN");
  expect(codeOf(() => SpscRing.create(arena, "odd", { capacityBytes: 5_000 }))).toBe("ESC_RING_CAPACITY");
});

test("a ring for one producer has one at a time", () => {
  const ring = SpscRing.create(arena, "one", { capacityBytes: CAPACITY });
  const reader = ring.reader();
  const first = ring.producer();
  expect(codeOf(() => ring.producer())).toBe("ESC_RING_PRODUCERS");
  first.offer(bytesOf("a"));
  first[Symbol.dispose]();
  ring.producer().offer(bytesOf("b"));
  expect(readAll(reader)).toEqual(["a", "b"]);
});

test("several producers' claims are published in their order, whichever is committed first", () => {
  const ring = MpscRing.create(arena, "many", { capacityBytes: CAPACITY });
  const reader = ring.reader();
  const producers = Array.from({ length: 3 }, () => ring.producer()) as [RingProducer, RingProducer, RingProducer];
  const claims = producers.map((producer, i) => {
    const claim = producer.tryClaim(4);
    claim?.view().setUint32(0, i);
    return claim;
  });
  claims[2]?.commit();
  claims[1]?.abort();
  expect(reader.ready()).toBe(false);
  expect(ring.blockedBy()).toBe(0);
  // A claim that waits for its turn is its producer's only one.
  expect(producers[2].tryClaim(4)).toBeUndefined();
  claims[0]?.commit();
  const seen: number[] = [];
  while (reader.read((record: BytesView) => seen.push(record.getUint32(0))) > 0) {}
  expect(seen).toEqual([0, 2]);
  expect(producers[2].offer(bytesOf("next"))).toBe(true);
  expect(ring.blockedBy()).toBeUndefined();
});

function readHex(reader: RingReader): string[] {
  const seen: string[] = [];
  while (reader.read((record) => seen.push(Buffer.from(record.copy()).toString("hex"))) > 0) {}
  return seen;
}

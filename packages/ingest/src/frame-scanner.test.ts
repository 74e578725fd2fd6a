import { encodeFrame, LANE_NAMES, type LaneName, laneOf, type Priority, RefusalCode } from "@esc/events";
import fc from "fast-check";
import { expect, test } from "vitest";
import { acceptedCounter, droppedCounter, ScanStatus } from "./index.ts";
import { FakeSocket, IngestRig } from "./ingest-rig.fixture.ts";

function scanAll(rig: IngestRig, bytes: Uint8Array, whole = false): ScanStatus {
  rig.input.readView.set(bytes);
  return rig.tcp.scan(rig.input.readStart, rig.input.readStart + bytes.length, whole);
}

const event = fc.record({
  topic: fc
    .string({ minLength: 1, maxLength: 60, unit: "grapheme" })
    .filter((topic) => Buffer.from(topic).toString() === topic),
  payload: fc.uint8Array({ maxLength: 600 }),
  priority: fc.integer({ min: 0, max: 4 }) as fc.Arbitrary<Priority>,
  id: fc.option(fc.uint8Array({ minLength: 16, maxLength: 16 }), { nil: undefined }),
  crc: fc.boolean(),
});

test("any frames, split at any bytes, become the same records in the same order, each in its priority's lane", () => {
  fc.assert(
    fc.property(
      fc.array(event, { minLength: 1, maxLength: 40 }),
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
      (events, sizes) => {
        const rig = new IngestRig();
        const connection = rig.connection(new FakeSocket());
        const stream = Buffer.concat(events.map((one) => encodeFrame(one)));
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = Math.min(stream.length, at + (sizes[i % sizes.length] as number));
          expect(rig.read(connection, stream.subarray(at, end))).toBe(true);
          at = end;
        }
        for (const lane of LANE_NAMES) {
          const expected = events.filter(({ priority }) => LANE_NAMES[laneOf(priority)] === lane);
          expect(rig.take(lane)).toEqual(
            expected.map(({ topic, payload, priority, id }, index) => ({
              sequence: index + 1,
              topic,
              priority,
              flags: 1 | (id ? 8 : 0),
              id: id ? Buffer.from(id).toString("hex") : "",
              payload: Buffer.from(payload).toString("latin1"),
            })),
          );
        }
      },
    ),
    { numRuns: 150 },
  );
});

test.each<[keyof typeof RefusalCode, Buffer]>([
  ["short", Buffer.from([0, 0, 0, 2, 1, 0])],
  ["control", withControl(0x08)],
  ["control", withControl(0x80)],
  ["priority", withControl(0x05)],
  ["topicEmpty", Buffer.from([0, 0, 0, 3, 2, 0, 0])],
  ["topicLength", Buffer.from([0, 0, 0, 4, 2, 0, 2, 0x61])],
  // An id and a CRC are announced, and there is no room for them.
  ["topicLength", Buffer.from([0, 0, 0, 4, 0x12, 0, 1, 0x61])],
  ["topicLength", Buffer.from([0, 0, 0, 4, 0x42, 0, 1, 0x61])],
  ["topicUtf8", Buffer.from([0, 0, 0, 4, 2, 0, 1, 0xff])],
  ["crc", Buffer.from([0, 0, 0, 8, 0x42, 0, 1, 0x61, 0, 0, 0, 0])],
])("a frame is refused (%s), counted and skipped, and the next one is taken", (reason, bad) => {
  const rig = new IngestRig();
  const good = encodeFrame({ topic: "good", payload: Buffer.from("x"), priority: 2 });
  expect(scanAll(rig, Buffer.concat([bad, good]))).toBe(ScanStatus.done);
  expect([rig.tcp.frames, rig.tcp.refused, rig.tcp.refusedFrame(0), rig.tcp.refusedCode(0)]).toEqual([
    2,
    1,
    1,
    RefusalCode[reason],
  ]);
  expect(rig.counters.value(`refused.${reason}`)).toBe(1);
  expect(rig.take("transactional").map(({ topic }) => topic)).toEqual(["good"]);
});

test("any bytes are taken without harm: every frame is accepted or refused, and nothing is taken twice", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.boolean(), (bytes, whole) => {
      const rig = new IngestRig();
      const status = scanAll(rig, bytes, whole);
      const accepted = LANE_NAMES.reduce((sum, lane) => sum + rig.counters.value(`accepted.${lane}`), 0);
      const refused = rig.counters.names
        .filter((name) => name.startsWith("refused."))
        .reduce((sum, name) => sum + rig.counters.value(name), 0);
      expect(accepted + refused).toBe(rig.tcp.frames);
      expect(rig.tcp.taken).toBeLessThanOrEqual(bytes.length);
      if (whole && status === ScanStatus.done) expect(rig.tcp.taken).toBe(bytes.length);
      expect(LANE_NAMES.reduce((sum, lane) => sum + rig.take(lane).length, 0)).toBe(accepted);
    }),
    { numRuns: 1_000 },
  );
});

test("an override sends a topic to another lane, with its priority", () => {
  const rig = new IngestRig({ overrides: [{ pattern: "alerts.>", priority: 4 }] });
  scanAll(rig, encodeFrame({ topic: "alerts.fire", payload: Buffer.from("x"), priority: 0 }));
  expect(rig.take("realtime")).toMatchObject([{ topic: "alerts.fire", priority: 4 }]);
});

function flood(lane: LaneName): Buffer {
  const priority: Priority = lane === "realtime" ? 3 : lane === "transactional" ? 2 : 0;
  const frame = encodeFrame({ topic: "flood", payload: Buffer.alloc(200, 1), priority });
  return Buffer.concat(Array.from({ length: 400 }, () => frame));
}

test("transactional full: the scan stops before the frame that doesn't fit, and goes on there later", () => {
  const rig = new IngestRig();
  const bytes = flood("transactional");
  expect(scanAll(rig, bytes)).toBe(ScanStatus.blocked);
  expect(rig.tcp.blockedLane).toBe("transactional");
  const fitted = rig.tcp.frames;
  expect(fitted).toBe(Math.floor(65_536 / 240));
  expect(rig.tcp.taken).toBe((bytes.length / 400) * fitted);
  expect(rig.counters.value("accepted.transactional")).toBe(fitted);
  expect(rig.take("transactional")).toHaveLength(fitted);
  expect(scanAll(rig, bytes.subarray(rig.tcp.taken))).toBe(ScanStatus.done);
  expect(rig.take("transactional").at(-1)?.sequence).toBe(400);
});

test("realtime full: the processor is asked to give up the oldest quarter", () => {
  const rig = new IngestRig();
  expect(scanAll(rig, flood("realtime"))).toBe(ScanStatus.blocked);
  expect(rig.rings.realtime.skipTarget).toBeGreaterThanOrEqual(65_536 / 4);
  expect(rig.rings.realtime.skipTarget).toBeLessThan(65_536 / 2);
});

test("batch full: what is new is dropped, counted as accepted and dropped, and told to who asked", () => {
  const rig = new IngestRig();
  expect(scanAll(rig, flood("batch"))).toBe(ScanStatus.done);
  const fitted = Math.floor(65_536 / 240);
  expect(rig.counters.value("accepted.batch")).toBe(400);
  expect(rig.counters.value("dropped.batch")).toBe(400 - fitted);
  expect(rig.tcp.refused).toBe(400 - fitted);
  expect([rig.tcp.refusedFrame(0), rig.tcp.refusedCode(0)]).toEqual([fitted + 1, RefusalCode.laneFull]);
  expect(rig.take("batch")).toHaveLength(fitted);
});

test("a datagram can't wait: a full transactional lane drops and counts, a cut frame is refused", () => {
  const rig = new IngestRig();
  const bytes = Buffer.concat([flood("transactional"), Buffer.from([0, 0, 0])]);
  rig.input.readView.set(bytes);
  expect(rig.udp.scan(rig.input.readStart, rig.input.readStart + bytes.length, true)).toBe(ScanStatus.done);
  expect(rig.counters.value("dropped.transactional")).toBe(400 - Math.floor(65_536 / 240));
  expect(rig.counters.value("refused.truncated")).toBe(1);
});

test("more frames than one plan holds are taken in several scans of the same bytes", () => {
  const rig = new IngestRig({ capacityBytes: 1 << 20 });
  const frame = encodeFrame({ topic: "t", payload: new Uint8Array(0), priority: 2 });
  const bytes = Buffer.concat(Array.from({ length: 10_000 }, () => frame));
  rig.input.readView.set(bytes);
  let start = rig.input.readStart;
  const end = start + bytes.length;
  let status: ScanStatus = ScanStatus.again;
  for (let scans = 0; status === ScanStatus.again; scans++) {
    expect(scans).toBeLessThan(5);
    status = rig.tcp.scan(start, end, false);
    start += rig.tcp.taken;
  }
  expect(status).toBe(ScanStatus.done);
  expect(rig.counters.value("accepted.transactional")).toBe(10_000);
});

test("a ring too small for the longest frame is refused when the scanner is made", () => {
  expect(() => new IngestRig({ capacityBytes: 16_384, maxFrameBytes: 8_160 })).toThrow(
    expect.objectContaining({ code: "ESC_FRAME_LIMIT" }),
  );
});

function withControl(control: number): Buffer {
  return Buffer.from([0, 0, 0, 5, control, 0, 1, 0x61, 0x62]);
}

test.each([
  ["batch", 0],
  ["transactional", 2],
  ["realtime", 4],
] as const)(
  "%s, while another thread fills its claim: the next scan waits for its turn and drops nothing",
  (lane, priority) => {
    const rig = new IngestRig();
    const one = encodeFrame({ topic: "t", payload: Buffer.from("x"), priority });
    const other = rig.openClaim(lane);
    rig.input.readView.set(one);
    const { readStart } = rig.input;
    const scan = () => rig.tcp.scan(readStart, readStart + one.length, false);
    expect(scan()).toBe(ScanStatus.done);
    expect([scan(), rig.tcp.blockedLane, rig.tcp.taken, rig.tcp.refused]).toEqual([ScanStatus.blocked, lane, 0, 0]);
    expect(rig.rings[lane].publishedPosition).toBe(0);
    other();
    expect(scan()).toBe(ScanStatus.done);
    expect(rig.counters.value(droppedCounter(lane))).toBe(0);
    expect(rig.counters.value(acceptedCounter(lane))).toBe(2);
    expect(rig.take(lane).map(({ payload }) => payload.slice(0, 1))).toContain("x");
  },
);

import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Batch,
  type BatchLimits,
  type FrameSpec,
  frameBytes,
  generatedBatches,
  lineBatches,
  PrebuiltFrames,
} from "./frame-batches.ts";

const SPEC: FrameSpec = {
  topic: "order.created",
  priority: "MEDIUM",
  sizeBytes: 32,
  ack: false,
  crc: false,
  id: false,
};
const LIMITS: BatchLimits = { maxBytes: 65_536, maxFrames: Infinity, totalFrames: Infinity };

interface Frame {
  readonly control: number;
  readonly topic: string;
  /** What follows the topic (and the id, where the control byte says there is one). */
  readonly rest: Buffer;
  readonly id: string | undefined;
}

/** Takes frames apart by hand, as the wire format says. */
function framesOf(batches: readonly Batch[]): Frame[] {
  const frames: Frame[] = [];
  for (const { bytes, frames: expected } of batches) {
    const before = frames.length;
    const view = Buffer.from(bytes);
    for (let at = 0; at < view.length; ) {
      const end = at + 4 + view.readUInt32BE(at);
      const control = view.readUInt8(at + 4);
      const topicBytes = view.readUInt16BE(at + 5);
      const topicStart = at + 7 + (control & 0x10 ? 16 : 0);
      frames.push({
        control,
        topic: view.toString("utf8", topicStart, topicStart + topicBytes),
        rest: view.subarray(topicStart + topicBytes, end),
        id: control & 0x10 ? view.toString("hex", at + 7, at + 23) : undefined,
      });
      at = end;
    }
    expect(frames.length - before).toBe(expected);
  }
  return frames;
}

describe("generated batches", () => {
  const generated = (spec: Partial<FrameSpec>, limits: Partial<BatchLimits>) => [
    ...generatedBatches({ ...SPEC, ...spec }, { ...LIMITS, ...limits }),
  ];

  test("hold as many events as asked for, each of the size asked for", () => {
    const batches = generated({}, { totalFrames: 3_000 });

    expect(framesOf(batches)).toHaveLength(3_000);
    for (const frame of framesOf(batches)) expect(frame).toMatchObject({ control: 2, topic: "order.created" });
    expect(framesOf(batches).every(({ rest }) => rest.length === 32)).toBe(true);
    expect(batches.every(({ bytes, frames }) => bytes.length === frames * frameBytes(SPEC))).toBe(true);
  });

  test("mix the five priorities evenly, whatever the batches' size", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 60 }), (maxFrames, totalFrames) => {
        const priorities = framesOf(generated({ priority: "mix" }, { maxFrames, totalFrames })).map((f) => f.control);

        expect(priorities).toEqual(Array.from({ length: totalFrames }, (_, index) => index % 5));
      }),
    );
  });

  test("take a list of priorities in turn, also in pieces that begin anywhere", () => {
    const frames = new PrebuiltFrames({ ...SPEC, priority: ["LOW", "HIGH", "LOW"] }, 4);
    const pieces = [0, 4, 5, 8].map((first, index) => ({ bytes: frames.batch(first, index + 1), frames: index + 1 }));

    expect(framesOf(pieces).map(({ control }) => control)).toEqual([1, 3, 1, 1, 1, 3, 1, 1, 3, 1]);
    const generatedToo = framesOf(generated({ priority: ["LOW", "HIGH", "LOW"] }, { totalFrames: 7, maxFrames: 2 }));
    expect(generatedToo.map(({ control }) => control)).toEqual([1, 3, 1, 1, 3, 1, 1]);
  });

  test("give each event an id of its own", () => {
    const ids = framesOf(generated({ id: true }, { totalFrames: 100, maxFrames: 7 })).map(({ id }) => id);

    expect(new Set(ids).size).toBe(100);
  });

  test("keep to the bytes they may have, but for a frame that is larger alone", () => {
    const datagrams = generated({ sizeBytes: 500 }, { totalFrames: 10, maxBytes: 1_400 });

    expect(datagrams.map(({ frames }) => frames)).toEqual([2, 2, 2, 2, 2]);
    expect(datagrams.every(({ bytes }) => bytes.length <= 1_400)).toBe(true);
    expect(generated({ sizeBytes: 5_000 }, { totalFrames: 2, maxBytes: 1_400 })).toHaveLength(2);
  });

  test("ask for acknowledgements and carry a CRC where told to", () => {
    const [frame] = framesOf(generated({ ack: true, crc: true }, { totalFrames: 1 }));

    expect(frame?.control).toBe(0x20 | 0x40 | 2);
    expect(frame?.rest).toHaveLength(32 + 4);
  });
});

describe("a batch of lines", () => {
  const from = async (chunks: readonly (Buffer | string)[], limits: Partial<BatchLimits> = {}) => {
    const input = Readable.from(
      chunks.map((chunk) => Buffer.from(chunk)),
      { objectMode: true },
    );
    const batches: Batch[] = [];
    for await (const batch of lineBatches(SPEC, input, { ...LIMITS, ...limits })) batches.push(batch);
    return batches;
  };
  const payloads = (batches: readonly Batch[]) => framesOf(batches).map(({ rest }) => rest.toString("latin1"));

  test("makes an event of each line, with or without a line end at the file's end", async () => {
    expect(payloads(await from(["a\nbb\n\nc"]))).toEqual(["a", "bb", "", "c"]);
    expect(payloads(await from(["a\n"]))).toEqual(["a"]);
    expect(payloads(await from([]))).toEqual([]);
  });

  test("has what came with one read and nothing later: a line at a terminal goes out at once", async () => {
    const batches = await from(["a\nb\nhalf", " line\nc\n"]);

    expect(batches.map(({ frames }) => frames)).toEqual([2, 2]);
    expect(payloads(batches)).toEqual(["a", "b", "half line", "c"]);
  });

  test("keeps to its limits", async () => {
    const text = "0123456789\n".repeat(100);

    expect((await from([text], { maxFrames: 30 })).map(({ frames }) => frames)).toEqual([30, 30, 30, 10]);
    expect((await from([text], { maxBytes: 300 })).every(({ bytes }) => bytes.length <= 300)).toBe(true);
    expect(framesOf(await from([text], { totalFrames: 42, maxFrames: 10 }))).toHaveLength(42);
  });

  test("holds the lines' bytes as they are, split anywhere, CR before LF left out", async () => {
    const line = fc
      .uint8Array({ maxLength: 20 })
      .map((bytes) => Buffer.from(bytes.filter((b) => b !== 10 && b !== 13)));
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1, maxLength: 20 }),
        fc.constantFrom("\n", "\r\n"),
        fc.integer({ min: 1, max: 9 }),
        async (lines, ending, step) => {
          const bytes = Buffer.concat(lines.flatMap((one) => [one, Buffer.from(ending)]));
          const chunks: Buffer[] = [];
          for (let at = 0; at < bytes.length; at += step) chunks.push(bytes.subarray(at, at + step));

          expect(payloads(await from(chunks))).toEqual(lines.map((one) => one.toString("latin1")));
        },
      ),
    );
  });
});

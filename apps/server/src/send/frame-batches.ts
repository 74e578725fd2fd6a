/** What `esc send` puts on the wire: frames, in batches that are written at once. */
import { randomFillSync } from "node:crypto";
import { EscError, encodeFrame, PRIORITY_NAMES, Priority, type PriorityName } from "@esc/events";

export interface FrameSpec {
  readonly topic: string;
  /** A priority, "mix" for all five in turn, or a list that is taken in turn. */
  readonly priority: PriorityName | "mix" | readonly PriorityName[];
  readonly sizeBytes: number;
  readonly ack: boolean;
  readonly crc: boolean;
  /** A random event id for each frame. */
  readonly id: boolean;
}

/** How frames are put together. A frame that is larger than `maxBytes` makes a batch of its own. */
export interface BatchLimits {
  readonly maxBytes: number;
  readonly maxFrames: number;
  /** Frames in all; infinite for as many as there are. */
  readonly totalFrames: number;
}

/** Frames to be sent together. */
export interface Batch {
  readonly bytes: Uint8Array;
  readonly frames: number;
}

/** The longest line of a file: no server takes a larger frame. */
const MAX_LINE_BYTES = 64 * 1_048_576;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Bytes of a generated frame, its length included. */
export function frameBytes({ topic, sizeBytes, id, crc }: FrameSpec): number {
  return 7 + Buffer.byteLength(topic) + sizeBytes + (id ? 16 : 0) + (crc ? 4 : 0);
}

/** Generated frames that are made once: every batch is a piece of them. The sender must cost less than the server it loads. */
export class PrebuiltFrames {
  readonly #made: Uint8Array;
  readonly #frameBytes: number;
  readonly #turn: number;

  /** @param mostFrames of one batch. */
  constructor(spec: FrameSpec, mostFrames: number) {
    this.#turn = turnOf(spec).length;
    this.#frameBytes = frameBytes(spec);
    // A mix goes on where the batch before it ended: one turn more, so that a batch can begin at any of its priorities.
    this.#made = generated(spec, 0, mostFrames + this.#turn - 1);
  }

  /** The events from number `first` (from 0) on; not to be written to. */
  batch(first: number, frames: number): Uint8Array {
    const start = (first % this.#turn) * this.#frameBytes;
    return this.#made.subarray(start, start + frames * this.#frameBytes);
  }
}

/** Generated events of `sizeBytes`; without ids they are {@link PrebuiltFrames}. */
export function* generatedBatches(spec: FrameSpec, limits: BatchLimits): Generator<Batch> {
  const size = frameBytes(spec);
  const most = Math.max(1, Math.min(Math.floor(limits.maxBytes / size), limits.maxFrames, limits.totalFrames));
  const made = spec.id ? undefined : new PrebuiltFrames(spec, most);
  for (let sent = 0; sent < limits.totalFrames; ) {
    const frames = Math.min(most, limits.totalFrames - sent);
    yield { bytes: made?.batch(sent, frames) ?? generated(spec, sent, frames), frames };
    sent += frames;
  }
}

/**
 * One event for each line. Lines end with LF or CRLF; their bytes are sent as they are. What has come is not kept waiting
 * for a batch to fill: a line typed at a terminal goes out at once.
 * @throws EscError `ESC_LINE_TOO_LONG`.
 */
export async function* lineBatches(
  spec: FrameSpec,
  input: AsyncIterable<Uint8Array>,
  limits: BatchLimits,
): AsyncGenerator<Batch> {
  let sent = 0;
  let frames: Uint8Array[] = [];
  let bytes = 0;
  const take = (): Batch => {
    const batch = { bytes: Buffer.concat(frames), frames: frames.length };
    sent += frames.length;
    frames = [];
    bytes = 0;
    return batch;
  };
  for await (const lines of linesOf(input)) {
    for (const line of lines) {
      const next = frame(spec, line, sent + frames.length);
      if (frames.length > 0 && (bytes + next.length > limits.maxBytes || frames.length >= limits.maxFrames))
        yield take();
      frames.push(next);
      bytes += next.length;
      if (sent + frames.length < limits.totalFrames) continue;
      yield take();
      return;
    }
    if (frames.length > 0) yield take();
  }
}

/** The lines that each chunk completes. On bytes: decoding would change what is not UTF-8. */
async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array[]> {
  let begun: Uint8Array[] = [];
  let begunBytes = 0;
  const keep = (part: Uint8Array) => {
    if (part.length === 0) return;
    begunBytes += part.length;
    if (begunBytes > MAX_LINE_BYTES) {
      throw new EscError("ESC_LINE_TOO_LONG", `A line is longer than ${MAX_LINE_BYTES} bytes: one event is one line.`);
    }
    begun.push(part);
  };
  const end = (): Uint8Array => {
    const line = begun.length === 1 ? (begun[0] as Uint8Array) : Buffer.concat(begun);
    begun = [];
    begunBytes = 0;
    return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
  };
  for await (const chunk of input) {
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, start)) {
      keep(chunk.subarray(start, at));
      lines.push(end());
      start = at + 1;
    }
    keep(chunk.subarray(start));
    if (lines.length > 0) yield lines;
  }
  if (begunBytes > 0) yield [end()];
}

function generated(spec: FrameSpec, first: number, frames: number): Uint8Array {
  const payload = Buffer.alloc(spec.sizeBytes, "x");
  return Buffer.concat(Array.from({ length: frames }, (_, index) => frame(spec, payload, first + index)));
}

function turnOf({ priority }: FrameSpec): readonly PriorityName[] {
  if (typeof priority !== "string") return priority;
  return priority === "mix" ? PRIORITY_NAMES : [priority];
}

function frame(spec: FrameSpec, payload: Uint8Array, index: number): Uint8Array {
  const { topic, ack, crc } = spec;
  const turn = turnOf(spec);
  const priority = Priority[turn[index % turn.length] as PriorityName];
  const id = spec.id ? randomFillSync(new Uint8Array(16)) : undefined;
  return encodeFrame({ topic, payload, priority, ack, crc, id });
}

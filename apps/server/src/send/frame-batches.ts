/** What `esc send` puts on the wire: frames, in batches that are written at once. */
import { randomFillSync } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { encodeFrame, Priority, type PriorityName } from "@esc/events";

export interface FrameSpec {
  readonly topic: string;
  /** A priority, or "mix": all five in turn. */
  readonly priority: PriorityName | "mix";
  readonly sizeBytes: number;
  readonly ack: boolean;
  readonly crc: boolean;
  /** A random event id for each frame. */
  readonly id: boolean;
}

/** Frames to be sent together. */
export interface Batch {
  readonly bytes: Uint8Array;
  readonly frames: number;
}

const MIX: readonly Priority[] = [Priority.BATCH, Priority.LOW, Priority.MEDIUM, Priority.HIGH, Priority.CRITICAL];

function frame(spec: FrameSpec, payload: Uint8Array, index: number): Uint8Array {
  const { priority, topic, ack, crc } = spec;
  const level = priority === "mix" ? (MIX[index % MIX.length] as Priority) : Priority[priority];
  const id = spec.id ? randomFillSync(new Uint8Array(16)) : undefined;
  return encodeFrame({ topic, payload, priority: level, ack, crc, id });
}

/** Endless batches of generated events of `sizeBytes`. With ids every frame is made anew, else one batch is sent again and again. */
export function* generatedBatches(spec: FrameSpec, framesPerBatch: number): Generator<Batch> {
  const payload = Buffer.alloc(spec.sizeBytes, "x");
  const make = (): Batch => ({
    bytes: Buffer.concat(Array.from({ length: framesPerBatch }, (_, index) => frame(spec, payload, index))),
    frames: framesPerBatch,
  });
  const fixed = spec.id ? undefined : make();
  for (;;) yield fixed ?? make();
}

/** One event for each line of a file (`-`: standard input), a batch each. */
export async function* fileBatches(spec: FrameSpec, file: string): AsyncGenerator<Batch> {
  const input = file === "-" ? process.stdin : createReadStream(file);
  let index = 0;
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    yield { bytes: frame(spec, Buffer.from(line), index++), frames: 1 };
  }
}

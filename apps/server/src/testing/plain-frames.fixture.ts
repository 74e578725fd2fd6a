/**
 * Frames and sockets that share no code with the product: the bytes are put together by hand, as any client in any
 * language would.
 */
import net from "node:net";

/** `u32 length · u8 control · u16 topic length · topic · payload`, big-endian. */
export function plainFrame(control: number, topic: string, payload: Buffer | string): Buffer {
  const topicBytes = Buffer.from(topic);
  const payloadBytes = Buffer.from(payload as string);
  const head = Buffer.alloc(7);
  head.writeUInt32BE(3 + topicBytes.length + payloadBytes.length, 0);
  head.writeUInt8(control, 4);
  head.writeUInt16BE(topicBytes.length, 5);
  return Buffer.concat([head, topicBytes, payloadBytes]);
}

/** As {@link plainFrame}, with 16 bytes of event id between head and topic. */
export function frameWithId(control: number, topic: string, payload: Buffer | string, id: Uint8Array): Buffer {
  const plain = plainFrame(control | 0x10, topic, payload);
  const frame = Buffer.concat([plain.subarray(0, 7), id, plain.subarray(7)]);
  frame.writeUInt32BE(frame.length - 4, 0);
  return frame;
}

/** Numbers that look random and are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function connect(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: "127.0.0.1", port, noDelay: true }, () => resolve(socket));
    socket.once("error", reject);
  });
}

/** Writes all bytes, waiting where the other side is slow. */
export async function writeAll(socket: net.Socket, bytes: Uint8Array): Promise<void> {
  if (!socket.write(bytes)) await new Promise((resolve) => socket.once("drain", resolve));
}

/** Sends the end, and waits for the other side's. */
export function finish(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
    socket.resume();
    socket.end();
  });
}

/** One answer of the server, taken apart by hand. */
export interface PlainAnswer {
  readonly kind: number;
  readonly n: number;
  readonly code: number;
  readonly text: string;
}

/** Collects the server's answers from a socket. */
export class Answers {
  readonly all: PlainAnswer[] = [];
  /** Nothing more comes. */
  closed = false;
  #rest = Buffer.alloc(0);
  #waiting: (() => void)[] = [];

  constructor(socket: net.Socket) {
    socket.on("data", (chunk) => this.#take(chunk as Buffer));
    socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
  }

  /** Frames up to this one are durable. */
  get durable(): number {
    return this.all.reduce((most, { kind, n }) => (kind === 1 ? Math.max(most, n) : most), 0);
  }

  async until(satisfied: () => boolean, timeoutMs = 20_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!satisfied()) {
      if (Date.now() > deadline)
        throw new Error(`no such answer within ${timeoutMs} ms; so far ${JSON.stringify(this.all.slice(-5))}`);
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        setTimeout(resolve, 100);
      });
    }
  }

  #take(chunk: Buffer): void {
    let bytes = Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) {
      const length = bytes.readUInt32BE(0);
      this.all.push({
        kind: bytes.readUInt8(4),
        n: Number(bytes.readBigUInt64BE(5)),
        code: bytes.readUInt8(13),
        text: bytes.toString("utf8", 14, 4 + length),
      });
      bytes = bytes.subarray(4 + length);
    }
    this.#rest = bytes;
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

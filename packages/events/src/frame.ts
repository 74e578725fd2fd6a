/**
 * The wire frame, for clients and tests in TypeScript (the server reads frames with a kernel).
 *
 * Big-endian: `u32 length of what follows · u8 control · u16 topic length · [16-byte event id] · topic · payload ·
 * [u32 CRC-32]`. Control: bits 0–2 priority, bit 4 event id present, bit 5 acknowledge me, bit 6 CRC-32 of the body
 * before it at the end, bits 3 and 7 are 0.
 *
 * The server's answers, only to connections that asked: `u32 length · u8 kind · u64 n · u8 code · text`.
 */
import { crc32 } from "node:zlib";
import { EscError } from "./esc-error.ts";
import type { Priority } from "./priority.ts";

/** Bits of the control byte. */
export const Control = { priorityMask: 0x07, reservedMask: 0x88, eventId: 0x10, acknowledge: 0x20, crc: 0x40 } as const;

/** The largest frame (what follows its length) that a server takes unless configured, in bytes. */
export const DEFAULT_MAX_FRAME_BYTES = 1_048_576;

/** Why a frame was refused: the `code` of an answer of kind {@link AnswerKind.refused}. */
export const RefusalCode = {
  /** The length leaves no room for control and topic length. */
  short: 1,
  /** Bit 3 or 7 of the control byte is set. */
  control: 2,
  /** The priority is over 4. */
  priority: 3,
  topicEmpty: 4,
  /** Topic, id and CRC don't fit into the frame's length. */
  topicLength: 5,
  /** The topic is not well-formed UTF-8. */
  topicUtf8: 6,
  /** The CRC-32 at the end is not the body's. */
  crc: 7,
  /** The length is over the limit; the connection ends. */
  tooLarge: 8,
  /** The connection or datagram ended inside a frame. */
  truncated: 9,
  /** The lane is full, and its rule is to drop what is new. */
  laneFull: 10,
} as const;
export type RefusalName = keyof typeof RefusalCode;

const REFUSAL_TEXT: Record<RefusalName, string> = {
  short: "the frame is shorter than its control byte and topic length",
  control: "bits 3 and 7 of the control byte must be 0",
  priority: "the priority must be 0 to 4",
  topicEmpty: "the topic is empty",
  topicLength: "topic, id and CRC do not fit into the frame's length",
  topicUtf8: "the topic is not well-formed UTF-8",
  crc: "the CRC-32 at the end is not the body's",
  tooLarge: "the frame is longer than the server takes",
  truncated: "the frame ends before its length says",
  laneFull: "the lane is full and drops what is new",
};

const REFUSAL_NAMES = new Map<number, RefusalName>(
  (Object.keys(RefusalCode) as RefusalName[]).map((name) => [RefusalCode[name], name]),
);

/** The name of a refusal's code, or undefined for a number that is none. */
export function refusalName(code: number): RefusalName | undefined {
  return REFUSAL_NAMES.get(code);
}

/** What to tell a person about a refusal. */
export function refusalText(code: number): string {
  const name = REFUSAL_NAMES.get(code);
  return name === undefined ? `refused with code ${code}` : REFUSAL_TEXT[name];
}

/** An event to put on the wire. */
export interface FrameInput {
  /** 1 to 65,535 bytes of UTF-8; levels split by `.` or `/`. */
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly priority: Priority;
  /** Idempotency key, exactly 16 bytes. */
  readonly id?: Uint8Array | undefined;
  /** Ask for an acknowledgement. */
  readonly ack?: boolean | undefined;
  /** Append a CRC-32 that the server checks. */
  readonly crc?: boolean | undefined;
}

/**
 * Encodes one frame. Any thread; allocates the frame.
 * @throws EscError `ESC_FRAME_TOPIC` (empty or over 65,535 bytes), `ESC_FRAME_ID` (not 16 bytes), `ESC_FRAME_TOO_LARGE`.
 */
export function encodeFrame(event: FrameInput): Uint8Array {
  const topicBytes = Buffer.byteLength(event.topic);
  if (topicBytes === 0 || topicBytes > 0xffff) {
    throw new EscError("ESC_FRAME_TOPIC", `A topic takes 1 to 65535 bytes of UTF-8, this one has ${topicBytes}.`);
  }
  if (event.id !== undefined && event.id.length !== 16) {
    throw new EscError("ESC_FRAME_ID", `An event id has 16 bytes, this one has ${event.id.length}.`);
  }
  const bodyBytes = 3 + (event.id ? 16 : 0) + topicBytes + event.payload.length + (event.crc ? 4 : 0);
  if (bodyBytes > 0xffff_ffff) {
    throw new EscError(
      "ESC_FRAME_TOO_LARGE",
      `A frame's length is a u32; ${bodyBytes} bytes don't fit. Split the payload.`,
    );
  }
  const frame = Buffer.allocUnsafe(4 + bodyBytes);
  frame.writeUInt32BE(bodyBytes, 0);
  frame[4] =
    event.priority |
    (event.id ? Control.eventId : 0) |
    (event.ack ? Control.acknowledge : 0) |
    (event.crc ? Control.crc : 0);
  frame.writeUInt16BE(topicBytes, 5);
  let at = 7;
  if (event.id) {
    frame.set(event.id, at);
    at += 16;
  }
  at += frame.write(event.topic, at);
  frame.set(event.payload, at);
  at += event.payload.length;
  if (event.crc) frame.writeUInt32BE(crc32(frame.subarray(4, at)), at);
  return frame;
}

/** What the server writes to a connection that asked. */
export const AnswerKind = {
  /** All frames up to `n` are as durable as configured, but for those refused. */
  durable: 1,
  /** Frame `n` was refused; `code` is a {@link RefusalCode}. */
  refused: 2,
  /** The pressure level is now `code`. */
  pressure: 3,
} as const;

/** One answer, decoded. `n` counts the connection's frames from 1. */
export interface Answer {
  readonly kind: 1 | 2 | 3;
  readonly n: number;
  readonly code: number;
  readonly text: string;
}

const ANSWER_HEAD = 10;
const ANSWER_MAX_BYTES = 4_096;

/** Encodes one answer. Server side; any thread. */
export function encodeAnswer(kind: Answer["kind"], n: number, code = 0, text = ""): Uint8Array {
  const textBytes = Buffer.byteLength(text);
  const answer = Buffer.allocUnsafe(4 + ANSWER_HEAD + textBytes);
  answer.writeUInt32BE(ANSWER_HEAD + textBytes, 0);
  answer[4] = kind;
  answer.writeUInt32BE(Math.floor(n / 0x1_0000_0000), 5);
  answer.writeUInt32BE(n >>> 0, 9);
  answer[13] = code;
  answer.write(text, 14);
  return answer;
}

/** Decodes the server's answers from chunks that are split anywhere. Holds at most one answer's bytes. */
export class AckDecoder {
  #rest: Buffer = Buffer.alloc(0);

  /**
   * Takes the next bytes from the socket and returns the answers that are whole now.
   * @throws EscError `ESC_ANSWER_INVALID` when the bytes are no answers: end the connection.
   */
  push(chunk: Uint8Array): Answer[] {
    let bytes =
      this.#rest.length === 0
        ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
        : Buffer.concat([this.#rest, chunk]);
    const answers: Answer[] = [];
    while (bytes.length >= 4) {
      const length = bytes.readUInt32BE(0);
      if (length < ANSWER_HEAD || length > ANSWER_MAX_BYTES) {
        throw new EscError(
          "ESC_ANSWER_INVALID",
          `An answer of ${length} bytes can't be: is this an EventStreamCore server?`,
        );
      }
      if (bytes.length < 4 + length) break;
      const kind = bytes[4] as number;
      if (kind < 1 || kind > 3) {
        throw new EscError("ESC_ANSWER_INVALID", `An answer's kind is 1, 2 or 3, not ${kind}. Update this client.`);
      }
      answers.push({
        kind: kind as Answer["kind"],
        n: bytes.readUInt32BE(5) * 0x1_0000_0000 + bytes.readUInt32BE(9),
        code: bytes[13] as number,
        text: bytes.toString("utf8", 14, 4 + length),
      });
      bytes = bytes.subarray(4 + length);
    }
    this.#rest = Buffer.from(bytes);
    return answers;
  }
}

/** What `esc send` was asked for, checked: a wrong value is a {@link UsageError} before anything is connected. */
import { MAX_TOPIC_BYTES, PRIORITY_NAMES, type PriorityName } from "@esc/events";
import { asWritten } from "../commands/as-written.ts";
import { UsageError, wholeNumber } from "../commands/usage-error.ts";
import { type FrameSpec, frameBytes } from "./frame-batches.ts";
import { MAX_DATAGRAM_BYTES } from "./udp-sender.ts";

export interface SendOptions {
  readonly udp: boolean;
  readonly host: string;
  readonly port: number;
  readonly frames: FrameSpec;
  /** Events in all; infinite for every line of a file. */
  readonly count: number;
  /** Events per second; infinite for as fast as the server takes them. */
  readonly rate: number;
  /** Events that may be unanswered at once. */
  readonly window: number;
  /** How long nothing may move, in milliseconds. */
  readonly timeoutMs: number;
  /** A file with an event per line, `-` for standard input; generated events without. */
  readonly file: string | undefined;
}

/** Options as the command line gives them: anything. */
export type RawSendOptions = Readonly<Record<string, unknown>>;

const MAX_PAYLOAD_BYTES = 64 * 1_048_576;
const MAX_RATE = 1e9;
const MAX_WINDOW = 1e9;
const DAY_MS = 86_400_000;

/**
 * @param args the command line itself: the parser makes a number of what looks like one, and a topic `007` would be `7`.
 * @throws UsageError naming the option, what it takes and what was given.
 */
export function checkSendOptions(raw: RawSendOptions, args: readonly string[] = []): SendOptions {
  for (const [name, value] of Object.entries(raw)) {
    if (name !== "--" && Array.isArray(value)) throw new UsageError(`--${name} was given ${value.length} times.`);
  }
  const number = (name: string, fallback: unknown, least: number, most: number) => {
    const value = raw[name] ?? fallback;
    // An empty text is 0 to JavaScript, not to people.
    return wholeNumber(`--${name}`, value === "" ? true : value, least, most);
  };
  const text = (name: string, fallback: string) => {
    const value = asWritten(args, name) ?? String(raw[name] ?? fallback);
    if (value === "") throw new UsageError(`--${name} takes a value that isn't empty.`);
    return value;
  };
  const udp = raw.udp === true;
  // The parser takes a lone `-` for a flag without a name, and `--file -` for one without a value.
  const file = raw.file === undefined ? undefined : raw.file === true ? "-" : text("file", "-");
  const topic = text("topic", "hello.world");
  const topicBytes = Buffer.byteLength(topic);
  if (topicBytes > MAX_TOPIC_BYTES) {
    throw new UsageError(`--topic takes up to ${MAX_TOPIC_BYTES} bytes, this one has ${topicBytes}.`);
  }
  const frames: FrameSpec = {
    topic,
    priority: priorityOption(raw.priority ?? "MEDIUM"),
    sizeBytes: number("size", 32, 0, MAX_PAYLOAD_BYTES),
    ack: raw.ack === true,
    crc: raw.crc === true,
    id: raw.id === true,
  };
  if (udp && frames.ack) throw new UsageError("--ack needs TCP: nobody answers a datagram.");
  if (udp && file === undefined && frameBytes(frames) > MAX_DATAGRAM_BYTES) {
    throw new UsageError(
      `With --udp an event has to fit into a datagram of ${MAX_DATAGRAM_BYTES} bytes, this one has ${frameBytes(frames)}: use TCP or a smaller --size.`,
    );
  }
  return {
    udp,
    host: text("host", "127.0.0.1"),
    port: number("port", udp ? 9001 : 9000, 1, 65_535),
    frames,
    count:
      raw.count === undefined && file !== undefined
        ? Number.POSITIVE_INFINITY
        : number("count", 1, 1, Number.MAX_SAFE_INTEGER),
    rate: raw.rate === undefined ? Number.POSITIVE_INFINITY : number("rate", undefined, 1, MAX_RATE),
    window: number("window", 65_536, 1, MAX_WINDOW),
    timeoutMs: number("timeout", 30_000, 1, DAY_MS),
    file,
  };
}

/** A priority by name or number, or mix. @throws UsageError. */
export function priorityOption(value: unknown): PriorityName | "mix" {
  const written = String(value).toUpperCase();
  if (written === "MIX") return "mix";
  const name = /^[0-4]$/.test(written) ? PRIORITY_NAMES[Number(written)] : written;
  const known = PRIORITY_NAMES.find((one) => one === name);
  if (known !== undefined) return known;
  throw new UsageError(`--priority takes ${PRIORITY_NAMES.join(", ")}, 0 to 4, or mix, not "${value}".`);
}

/** What `esc bench` was asked for, checked: a wrong value is a {@link UsageError} before anything is started. */
import { MAX_TOPIC_BYTES } from "@esc/events";
import { asWritten } from "../commands/as-written.ts";
import { UsageError, wholeNumber } from "../commands/usage-error.ts";
import { type FrameSpec, frameBytes } from "../send/frame-batches.ts";
import { MAX_DATAGRAM_BYTES } from "../send/udp-sender.ts";
import { priorityTurn } from "./priority-weights.ts";

export interface BenchOptions {
  /** A server that runs already; without, one is started for the run. */
  readonly target: Target | undefined;
  readonly connections: number;
  readonly frames: FrameSpec;
  readonly udp: boolean;
  /** Events a second in all; infinite for as many as the server takes. */
  readonly rate: number;
  readonly durationSeconds: number;
  /** Events that are sent together: at least this many, unless fewer are left. */
  readonly leastFrames: number;
  readonly mostFrames: number;
  /** With acknowledgements: events unanswered at most, on each connection. */
  readonly window: number;
  /** How long nothing may move, in milliseconds. */
  readonly timeoutMs: number;
}

export interface Target {
  readonly host: string;
  readonly port: number;
  /** Where its counts are: `http://host:port`. */
  readonly http: string;
}

/** Options as the command line gives them: anything. */
export type RawBenchOptions = Readonly<Record<string, unknown>>;

const MAX_PAYLOAD_BYTES = 1_048_576;
const MAX_RATE = 1e9;
const MAX_CONNECTIONS = 1_024;
const MAX_SECONDS = 86_400;
const DAY_MS = 86_400_000;
const DEFAULT_HTTP_PORT = 8080;
/** Large enough that a batch's own cost (a system call, two promises) is under a nanosecond an event. */
const TCP_BATCH_BYTES = 262_144;
/** What an Ethernet frame carries without being split. */
const DATAGRAM_BYTES = 1_400;

/**
 * @param args the command line itself, for what the parser would make numbers of.
 * @throws UsageError naming the option, what it takes and what was given.
 */
export function checkBenchOptions(raw: RawBenchOptions, args: readonly string[] = []): BenchOptions {
  for (const [name, value] of Object.entries(raw)) {
    if (name !== "--" && Array.isArray(value)) throw new UsageError(`--${name} was given ${value.length} times.`);
  }
  const number = (name: string, key: string, fallback: number, least: number, most: number) => {
    const value = raw[key] ?? fallback;
    // An empty text is 0 to JavaScript, not to people.
    return wholeNumber(`--${name}`, value === "" ? true : value, least, most);
  };
  const text = (name: string, fallback: string) => {
    const value = raw[name] === undefined ? fallback : (asWritten(args, name) ?? String(raw[name]));
    if (value === "") throw new UsageError(`--${name} takes a value that isn't empty.`);
    return value;
  };
  if (raw.rate !== undefined && raw.max === true) throw new UsageError("--rate and --max exclude each other.");
  const topic = text("topic", "order.created");
  const topicBytes = Buffer.byteLength(topic);
  if (topicBytes > MAX_TOPIC_BYTES) {
    throw new UsageError(`--topic takes up to ${MAX_TOPIC_BYTES} bytes, this one has ${topicBytes}.`);
  }
  const frames: FrameSpec = {
    topic,
    priority: priorityTurn(text("priority", "MEDIUM")),
    sizeBytes: number("size", "size", 32, 0, MAX_PAYLOAD_BYTES),
    ack: raw.ack === true,
    crc: false,
    id: false,
  };
  const udp = raw.udp === true;
  if (udp && frames.ack) throw new UsageError("--ack needs TCP: nobody answers a datagram.");
  const window = number("window", "window", 65_536, 1, MAX_RATE);
  return {
    target: target(raw, text),
    connections: number("connections", "connections", 1, 1, MAX_CONNECTIONS),
    frames,
    udp,
    rate: raw.rate === undefined ? Number.POSITIVE_INFINITY : number("rate", "rate", 1, 1, MAX_RATE),
    durationSeconds: seconds(raw.duration ?? 10),
    ...(udp ? perDatagram(raw, frames) : perWrite(raw, frames, window)),
    window,
    timeoutMs: number("timeout", "timeout", 30_000, 1, DAY_MS),
  };
}

function perWrite(raw: RawBenchOptions, frames: FrameSpec, window: number) {
  if (raw.framesPerDatagram !== undefined) throw new UsageError("--frames-per-datagram needs --udp.");
  const fitting = Math.max(1, Math.floor(TCP_BATCH_BYTES / frameBytes(frames)));
  return { leastFrames: 1, mostFrames: frames.ack ? Math.min(fitting, window) : fitting };
}

function perDatagram(raw: RawBenchOptions, frames: FrameSpec) {
  const size = frameBytes(frames);
  const fitting = Math.floor(MAX_DATAGRAM_BYTES / size);
  if (fitting === 0) {
    throw new UsageError(
      `With --udp an event has to fit into a datagram of ${MAX_DATAGRAM_BYTES} bytes, this one has ${size}: use TCP or a smaller --size.`,
    );
  }
  if (raw.framesPerDatagram === undefined) {
    return { leastFrames: 1, mostFrames: Math.max(1, Math.floor(DATAGRAM_BYTES / size)) };
  }
  const asked = wholeNumber("--frames-per-datagram", raw.framesPerDatagram, 1, fitting);
  return { leastFrames: asked, mostFrames: asked };
}

function seconds(value: unknown): number {
  const number = typeof value === "boolean" || value === "" ? Number.NaN : Number(value);
  if (number >= 0.1 && number <= MAX_SECONDS) return number;
  throw new UsageError(`--duration takes seconds from 0.1 to ${MAX_SECONDS}, not ${JSON.stringify(value)}.`);
}

function target(raw: RawBenchOptions, text: (name: string, fallback: string) => string): Target | undefined {
  if (raw.target === undefined) {
    if (raw.http !== undefined) throw new UsageError("--http needs --target: the server of its own has its own.");
    return undefined;
  }
  const written = text("target", "");
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(written) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new UsageError(`--target takes host:port, like 127.0.0.1:9000, not "${written}".`);
  }
  const fallback = `http://${bracketed === undefined ? host : `[${host}]`}:${DEFAULT_HTTP_PORT}`;
  return { host, port, http: httpOrigin(text("http", fallback)) };
}

function httpOrigin(written: string): string {
  const url = URL.parse(/^https?:\/\//.test(written) ? written : `http://${written}`);
  if (url !== null) return url.origin;
  throw new UsageError(`--http takes the server's HTTP address, like http://127.0.0.1:8080, not "${written}".`);
}

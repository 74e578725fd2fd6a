/** `esc send`: puts events on the wire, with a progress bar and a summary. */
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EscError, PRIORITY_NAMES, type PriorityName } from "@esc/events";
import type { CAC } from "cac";
import { SingleBar } from "cli-progress";
import { type Batch, type FrameSpec, fileBatches, generatedBatches } from "../send/frame-batches.ts";
import { type Sender, TcpSender, UdpSender } from "../send/sender.ts";
import { ExitCode, UsageError, wholeNumber } from "./usage-error.ts";

/** What a run of `esc send` came to. */
export interface SendSummary {
  readonly sent: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly eventsPerSecond: number;
  readonly acked?: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly error?: string;
}

interface SendOptions {
  readonly udp?: boolean;
  readonly host: string;
  readonly port?: unknown;
  readonly topic: string;
  readonly priority: unknown;
  readonly count?: unknown;
  readonly size: unknown;
  readonly rate?: unknown;
  readonly ack?: boolean;
  readonly crc?: boolean;
  readonly id?: boolean;
  readonly window: unknown;
  readonly timeout: unknown;
  readonly file?: string;
  readonly json?: boolean;
}

const BATCH_BYTES = 65_536;
const DATAGRAM_BYTES = 1_400;

export function registerSend(cli: CAC): void {
  cli
    .command("send", "Send events")
    .option("--udp", "Over UDP instead of TCP")
    .option("--host <host>", "Server", { default: "127.0.0.1" })
    .option("--port <port>", "Port (default: 9000, with --udp 9001)")
    .option("--topic <topic>", "Topic", { default: "hello.world" })
    .option("--priority <name>", "BATCH, LOW, MEDIUM, HIGH, CRITICAL, 0 to 4, or mix", { default: "MEDIUM" })
    .option("--count <n>", "Events (default: 1; with --file all lines)")
    .option("--size <bytes>", "Payload of generated events", { default: 32 })
    .option("--rate <n>", "Events per second at most")
    .option("--ack", "Ask for acknowledgements and wait for all")
    .option("--window <n>", "With --ack: events unanswered at most", { default: 65_536 })
    .option("--timeout <ms>", "Give up after so long without an answer", { default: 30_000 })
    .option("--id", "Give each event a random id")
    .option("--crc", "Put a CRC-32 at each frame's end")
    .option("--file <file>", "One event per line of a file (- for standard input)")
    .option("--json", "The summary as one JSON object on standard output")
    .example("esc send --topic order.created --count 1000000 --priority mix")
    .example("esc send --topic order.created --ack --file orders.ndjson")
    .action(async (options: SendOptions) => {
      const { summary, code } = await send(options);
      if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
      else process.stderr.write(summaryText(summary));
      // Exit at once: a server that is gone must not keep sockets and this process open.
      process.exit(code);
    });
}

async function send(options: SendOptions): Promise<{ summary: SendSummary; code: number }> {
  const udp = options.udp === true;
  const spec = frameSpec(options);
  const count =
    options.count === undefined
      ? options.file === undefined
        ? 1
        : Number.POSITIVE_INFINITY
      : wholeNumber("--count", options.count, 1, Number.MAX_SAFE_INTEGER);
  const rate = options.rate === undefined ? Number.POSITIVE_INFINITY : wholeNumber("--rate", options.rate, 1, 1e9);
  const port = wholeNumber("--port", options.port ?? (udp ? 9001 : 9000), 1, 65_535);
  const window = wholeNumber("--window", options.window, 1, 1e9);
  const timeoutMs = wholeNumber("--timeout", options.timeout, 1, 86_400_000);
  if (udp && options.ack) throw new UsageError("--ack needs TCP: nobody answers a datagram.");
  await using sender: Sender = udp
    ? await UdpSender.connect(options.host, port)
    : await TcpSender.connect({ host: options.host, port, ack: options.ack === true, window, timeoutMs });
  const batches =
    options.file === undefined
      ? generatedBatches(spec, framesPerBatch(spec, udp, count, rate, window))
      : fileBatches(spec, options.file === "-" ? "-" : resolve(process.env.INIT_CWD ?? process.cwd(), options.file));
  const bar = progressBar(count);
  const started = performance.now();
  let sent = 0;
  let bytes = 0;
  let interrupted = false;
  process.once("SIGINT", () => {
    interrupted = true;
  });
  let failure: EscError | undefined;
  try {
    for await (const whole of batches) {
      if (sent >= count || interrupted) break;
      const batch = cut(whole, count - sent);
      await sender.write(batch.bytes, batch.frames);
      sent += batch.frames;
      bytes += batch.bytes.length;
      bar?.update(sent);
      if (Number.isFinite(rate)) await sleepUntil(started + (sent / rate) * 1_000);
    }
    if (!interrupted) await sender.finish();
  } catch (error) {
    if (!(error instanceof EscError)) throw error;
    failure = error;
  }
  bar?.stop();
  const seconds = (performance.now() - started) / 1_000;
  const { acked, refused } = sender.answered;
  const incomplete = refused.size > 0 || (options.ack === true && acked < sent);
  return {
    summary: {
      sent,
      bytes,
      seconds,
      eventsPerSecond: sent / seconds,
      ...(options.ack && { acked }),
      refused: Object.fromEntries(refused),
      ...(failure && { error: failure.message }),
    },
    code:
      failure?.code === "ESC_CONNECTION_LOST"
        ? ExitCode.failed
        : failure || incomplete
          ? ExitCode.incomplete
          : ExitCode.ok,
  };
}

function frameSpec(options: SendOptions): FrameSpec {
  const priority = String(options.priority).toUpperCase();
  const name = /^[0-4]$/.test(priority) ? PRIORITY_NAMES[Number(priority)] : priority;
  if (name !== "MIX" && !PRIORITY_NAMES.includes(name as PriorityName)) {
    throw new UsageError(`--priority takes ${PRIORITY_NAMES.join(", ")}, 0 to 4, or mix, not "${options.priority}".`);
  }
  const topic = String(options.topic);
  if (topic === "" || Buffer.byteLength(topic) > 65_535) throw new UsageError("--topic takes 1 to 65535 bytes.");
  return {
    topic,
    priority: name === "MIX" ? "mix" : (name as PriorityName),
    sizeBytes: wholeNumber("--size", options.size, 0, 64 * 1_048_576),
    ack: options.ack === true,
    crc: options.crc === true,
    id: options.id === true,
  };
}

function framesPerBatch(spec: FrameSpec, udp: boolean, count: number, rate: number, window: number): number {
  const frameBytes = 7 + Buffer.byteLength(spec.topic) + spec.sizeBytes + (spec.id ? 16 : 0) + (spec.crc ? 4 : 0);
  const fitting = Math.max(1, Math.floor((udp ? DATAGRAM_BYTES : BATCH_BYTES) / frameBytes));
  // At a low rate events go out one by one, a hundred times a second.
  return Math.max(1, Math.min(fitting, count, Math.ceil(rate / 100), window));
}

/** At most `frames` of a batch: generated frames all have the same length. */
function cut(batch: Batch, frames: number): Batch {
  if (batch.frames <= frames) return batch;
  return { bytes: batch.bytes.subarray(0, (batch.bytes.length / batch.frames) * frames), frames };
}

function progressBar(count: number): SingleBar | undefined {
  if (!process.stderr.isTTY || !Number.isFinite(count) || count < 1_000) return undefined;
  const bar = new SingleBar({
    format: "{bar} {percentage}% {value}/{total} events",
    stream: process.stderr,
    fps: 10,
    hideCursor: true,
  });
  bar.start(count, 0);
  return bar;
}

async function sleepUntil(when: number): Promise<void> {
  const ms = when - performance.now();
  if (ms > 1) await sleep(ms);
}

function summaryText({ sent, bytes, seconds, eventsPerSecond, acked, refused, error }: SendSummary): string {
  const lines = [`${sent} events, ${bytes} bytes in ${seconds.toFixed(3)} s: ${Math.round(eventsPerSecond)} events/s`];
  if (acked !== undefined) lines.push(`${acked} acknowledged as durable`);
  for (const [reason, count] of Object.entries(refused)) lines.push(`${count} refused: ${reason}`);
  if (error !== undefined) lines.push(error);
  return `${lines.join("\n")}\n`;
}

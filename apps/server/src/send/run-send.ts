/** One run of `esc send`: from checked options to a summary and an exit code. */
import { createReadStream, statSync } from "node:fs";
import { addAbortSignal, type Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { EscError } from "@esc/events";
import { ExitCode, UsageError } from "../commands/usage-error.ts";
import { type Batch, type BatchLimits, generatedBatches, lineBatches } from "./frame-batches.ts";
import type { SendOptions } from "./send-options.ts";
import type { Sender } from "./sender.ts";
import { TcpSender } from "./tcp-sender.ts";
import { UdpSender } from "./udp-sender.ts";

/** What a run came to. */
export interface SendSummary {
  readonly sent: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly eventsPerSecond: number;
  /** With `--ack`: events that are as durable as the server is configured for. */
  readonly acked?: number;
  /** Events refused, by reason; only connections that ask are told. */
  readonly refused: Readonly<Record<string, number>>;
  /** A signal ended the run before its end. */
  readonly interrupted?: true;
  readonly error?: string;
}

export interface SendOutcome {
  readonly summary: SendSummary;
  /** See {@link ExitCode}. */
  readonly code: number;
}

export interface SendSurroundings {
  /** What `--file -` reads. */
  readonly stdin: Readable;
  /** Ends the run: what was written is finished, and the summary is of that. */
  readonly signal: AbortSignal;
  /** Called with the events sent so far, for each batch. */
  readonly onProgress?: (sent: number) => void;
}

const TCP_BATCH_BYTES = 65_536;
/** What an Ethernet frame carries without being split. */
const DATAGRAM_BYTES = 1_400;
/** At a low rate, batches are small enough for this many a second. */
const BATCHES_PER_SECOND = 100;
/** What an interrupted run still waits for, so that its summary is true. */
const INTERRUPTED_MS = 1_000;
const WRONG_USAGE: ReadonlySet<string> = new Set([
  "ESC_DATAGRAM_TOO_LARGE",
  "ESC_FRAME_TOO_LARGE",
  "ESC_LINE_TOO_LONG",
]);

/**
 * Sends what the options ask for.
 * @returns a summary in every case but wrong usage: a connection that can't be made is a summary with an `error`.
 * @throws UsageError when the file can't be read.
 */
export async function runSend(options: SendOptions, surroundings: SendSurroundings): Promise<SendOutcome> {
  const { signal } = surroundings;
  const input = openInput(options.file, surroundings.stdin);
  if (input !== undefined) addAbortSignal(signal, input);
  let sender: Sender;
  try {
    sender = await connect(options);
  } catch (error) {
    input?.destroy();
    return outcome(options, undefined, 0, asFailure(error), false);
  }
  await using open = sender;
  const onAbort = () => open.interrupt();
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  const started = performance.now();
  let failure: EscError | undefined;
  try {
    await sendAll(open, batchesOf(options, input), options.rate, started, surroundings);
    await open.finish(options.timeoutMs);
  } catch (error) {
    if (signal.aborted) await open.finish(INTERRUPTED_MS).catch(() => undefined);
    else failure = asFailure(error);
  } finally {
    signal.removeEventListener("abort", onAbort);
    input?.destroy();
  }
  return outcome(options, open, (performance.now() - started) / 1_000, failure, signal.aborted);
}

/** A file that can't be read is told before anything is connected. */
function openInput(file: string | undefined, stdin: Readable): Readable | undefined {
  if (file === undefined) return undefined;
  if (file === "-") return stdin;
  try {
    if (statSync(file).isDirectory()) throw new UsageError(`--file ${file}: that is a folder.`);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`--file ${file}: ${code === "ENOENT" ? "there is no such file" : `can't be read (${code})`}.`);
  }
  return createReadStream(file);
}

function connect({ udp, host, port, frames, window, timeoutMs }: SendOptions): Promise<Sender> {
  if (udp) return UdpSender.connect(host, port);
  return TcpSender.connect({ host, port, ack: frames.ack, window, timeoutMs });
}

function batchesOf(options: SendOptions, input: Readable | undefined): Iterable<Batch> | AsyncIterable<Batch> {
  const { udp, frames, count, rate, window } = options;
  const limits: BatchLimits = {
    maxBytes: udp ? DATAGRAM_BYTES : TCP_BATCH_BYTES,
    maxFrames: Math.min(Math.max(1, Math.floor(rate / BATCHES_PER_SECOND)), frames.ack ? window : Infinity),
    totalFrames: count,
  };
  return input === undefined ? generatedBatches(frames, limits) : lineBatches(frames, input, limits);
}

async function sendAll(
  sender: Sender,
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  rate: number,
  started: number,
  { signal, onProgress }: SendSurroundings,
): Promise<void> {
  for await (const { bytes, frames } of batches) {
    const early = started + (sender.counts.sent / rate) * 1_000 - performance.now();
    if (early > 1) await sleep(early, undefined, { signal });
    await sender.write(bytes, frames);
    onProgress?.(sender.counts.sent);
  }
}

function asFailure(error: unknown): EscError {
  if (error instanceof EscError) return error;
  const { message } = error as Error;
  return new EscError("ESC_SEND_FAILED", `Sending failed: ${message}.`, { cause: error });
}

function outcome(
  options: SendOptions,
  sender: Sender | undefined,
  seconds: number,
  failure: EscError | undefined,
  interrupted: boolean,
): SendOutcome {
  const { sent = 0, bytes = 0, acked = 0, refused = new Map<string, number>() } = sender?.counts ?? {};
  const summary: SendSummary = {
    sent,
    bytes,
    seconds,
    eventsPerSecond: seconds > 0 ? sent / seconds : 0,
    ...(options.frames.ack && { acked }),
    refused: Object.fromEntries(refused),
    ...(interrupted && { interrupted }),
    ...(failure && { error: failure.message }),
  };
  const incomplete = interrupted || refused.size > 0 || (options.frames.ack && acked < sent);
  return { summary, code: exitCode(failure, incomplete) };
}

function exitCode(failure: EscError | undefined, incomplete: boolean): number {
  if (failure === undefined) return incomplete ? ExitCode.incomplete : ExitCode.ok;
  if (WRONG_USAGE.has(failure.code)) return ExitCode.usage;
  return failure.code === "ESC_NO_ANSWER" ? ExitCode.incomplete : ExitCode.failed;
}

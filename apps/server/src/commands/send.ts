/** `esc send`: puts events on the wire, with a progress bar and a summary. */
import { resolve } from "node:path";
import type { CAC } from "cac";
import { SingleBar } from "cli-progress";
import { runSend, type SendSummary } from "../send/run-send.ts";
import { checkSendOptions, type RawSendOptions } from "../send/send-options.ts";
import { StopSignals } from "./stop-signals.ts";
import { ExitCode } from "./usage-error.ts";

/** Fewer events are sent before a bar is drawn. */
const WORTH_A_BAR = 1_000;

export function registerSend(cli: CAC): void {
  cli
    .command("send", "Send events")
    .option("--udp", "Over UDP instead of TCP")
    .option("--host <host>", "Server (default: 127.0.0.1)")
    .option("--port <port>", "Port (default: 9000, with --udp 9001)")
    .option("--topic <topic>", "Topic (default: hello.world)")
    .option("--priority <name>", "BATCH, LOW, MEDIUM, HIGH, CRITICAL, 0 to 4, or mix (default: MEDIUM)")
    .option("--count <n>", "Events (default: 1; with --file all lines)")
    .option("--size <bytes>", "Payload of generated events (default: 32)")
    .option("--rate <n>", "Events per second at most")
    .option("--ack", "Ask for acknowledgements and wait for all")
    .option("--window <n>", "With --ack: events unanswered at most (default: 65536)")
    .option("--timeout <ms>", "Give up when nothing moves for so long (default: 30000)")
    .option("--id", "Give each event a random id")
    .option("--crc", "Put a CRC-32 at each frame's end")
    .option("--file [file]", "One event per line of a file; of standard input with - or nothing")
    .option("--json", "The summary as one JSON object on standard output")
    .example("esc send --topic order.created --count 1000000 --priority mix")
    .example("esc send --topic order.created --ack --file orders.ndjson")
    .action((options: RawSendOptions) => sendCommand(options, cli.rawArgs));
}

async function sendCommand(raw: RawSendOptions, args: readonly string[]): Promise<void> {
  const checked = checkSendOptions(raw, args);
  const { file } = checked;
  const options =
    file === undefined || file === "-"
      ? checked
      : { ...checked, file: resolve(process.env.INIT_CWD ?? process.cwd(), file) };
  const interruption = new AbortController();
  onInterrupt(() => interruption.abort());
  const bar = progressBar(options.count);
  const { summary, code } = await runSend(options, {
    stdin: process.stdin,
    signal: interruption.signal,
    onProgress: (sent) => bar?.update(sent),
  });
  bar?.stop();
  if (raw.json === true) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else process.stderr.write(summaryText(summary));
  // Exit at once: neither a server that is gone nor an open standard input keeps this process.
  process.exit(code);
}

/** The first Ctrl-C ends the run in order, a second one at once. */
function onInterrupt(end: () => void): void {
  const signals = new StopSignals();
  process.on("SIGINT", () => {
    const heard = signals.hear();
    if (heard === "first") {
      process.stderr.write("interrupted: waiting for what is under way; once more ends at once\n");
      signals.answered();
      end();
    } else if (heard === "again") process.exit(ExitCode.incomplete);
  });
}

function progressBar(count: number): SingleBar | undefined {
  if (!process.stderr.isTTY || !Number.isFinite(count) || count < WORTH_A_BAR) return undefined;
  const bar = new SingleBar({
    format: "{bar} {percentage}% {value}/{total} events",
    stream: process.stderr,
    fps: 10,
    hideCursor: true,
  });
  bar.start(count, 0);
  return bar;
}

function summaryText({ sent, bytes, seconds, eventsPerSecond, acked, refused, ...ending }: SendSummary): string {
  const lines: string[] = [];
  if (sent > 0) {
    const rate = Math.round(eventsPerSecond);
    const unit = sent === 1 ? "event" : "events";
    lines.push(`${sent} ${unit}, ${bytes} bytes in ${seconds.toFixed(3)} s: ${rate} events/s`);
    if (acked !== undefined) lines.push(`${acked} acknowledged as durable`);
  }
  for (const [reason, count] of Object.entries(refused)) lines.push(`${count} refused: ${reason}`);
  if (ending.interrupted) lines.push("interrupted");
  if (ending.error !== undefined) lines.push(`esc: ${ending.error}`);
  return `${lines.join("\n")}\n`;
}

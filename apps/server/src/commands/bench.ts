/** `esc bench`: load generator and referee in one, with live progress and a report. */
import type { CAC } from "cac";
import { SingleBar } from "cli-progress";
import { type BenchOptions, checkBenchOptions, type RawBenchOptions } from "../load/bench-options.ts";
import { exitCodeOf, reportText, time } from "../load/bench-report.ts";
import { runBench } from "../load/run-bench.ts";
import { onInterrupt } from "./interruption.ts";

export function registerBench(cli: CAC): void {
  cli
    .command("bench", "Measure a server: throughput, latency, and whether its counts add up")
    .option("--target <host:port>", "A server that runs already (default: one is started for the run)")
    .option("--http <url>", "With --target: where its counts are (default: the same host, port 8080)")
    .option("--connections <n>", "Connections, or UDP sockets (default: 1)")
    .option("--size <bytes>", "Payload of each event (default: 32)")
    .option("--topic <topic>", "Topic (default: order.created)")
    .option("--priority <p>", "BATCH, LOW, MEDIUM, HIGH, CRITICAL, mix, or weights like HIGH=1,LOW=4 (default: MEDIUM)")
    .option("--rate <n>", "Events per second, all connections together; latency counts from when each is due")
    .option("--max", "As many as the server takes (the default)")
    .option("--duration <s>", "Seconds (default: 10)")
    .option("--ack", "Ask for acknowledgements, and measure until they come")
    .option("--window <n>", "With --ack: events unanswered at most, per connection (default: 65536)")
    .option("--udp", "Over UDP instead of TCP")
    .option(
      "--frames-per-datagram <n>",
      "With --udp: events in each datagram (default: as many as fit into 1400 bytes)",
    )
    .option("--timeout <ms>", "Give up when nothing moves for so long (default: 30000)")
    .option("--json", "The report as one JSON object on standard output")
    .example("esc bench --duration 5 --ack")
    .example("esc bench --target 127.0.0.1:9000 --http http://127.0.0.1:8080 --rate 100000 --priority HIGH=1,LOW=4")
    .action((options: RawBenchOptions) => benchCommand(options, cli.rawArgs));
}

async function benchCommand(raw: RawBenchOptions, args: readonly string[]): Promise<void> {
  const options = checkBenchOptions(raw, args);
  const interruption = new AbortController();
  onInterrupt(() => interruption.abort(), ["SIGINT", "SIGTERM"]);
  const bar = progressBar(options);
  const report = await runBench(options, {
    signal: interruption.signal,
    onStart: ({ host, port, http }, pid) => {
      const whose = pid === undefined ? "" : ` (own server, pid ${pid})`;
      process.stderr.write(`measuring ${host}:${port}, counts from ${http}${whose}\n`);
      bar?.start(options.durationSeconds, 0, { sent: 0, rate: 0, p99: "" });
    },
    onProgress: (seconds, sent, p99Ns) =>
      bar?.update(Math.min(options.durationSeconds, Math.floor(seconds)), {
        sent,
        rate: Math.round(sent / seconds),
        p99: time(p99Ns),
      }),
  });
  bar?.stop();
  if (raw.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
  else process.stdout.write(reportText(report));
  process.exitCode = exitCodeOf(report.outcome);
}

function progressBar({ frames }: BenchOptions): SingleBar | undefined {
  if (!process.stderr.isTTY) return undefined;
  const what = frames.ack ? "acknowledged" : "handed over";
  return new SingleBar({
    format: `{bar} {value}/{total} s  {sent} events  {rate} events/s  p99 ${what} {p99}`,
    stream: process.stderr,
    fps: 10,
    hideCursor: true,
  });
}

/**
 * The whole way, measured: TCP → scan → lane → log with group sync → processor, generator on the same machine. Peers run
 * with the same payload, one after the other, where they are installed.
 *
 *     pnpm --filter @esc/bench bench [--runs 5] [--events 10000000]
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, connect as netConnect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { commandLine } from "@esc/tooling/script";
import { spread } from "./figure.ts";
import { machineLine } from "./report.ts";

const values = commandLine({
  about: "Measures the whole way from TCP to the processor, beside the peers that are installed.",
  options: {
    runs: { type: "string", default: "5", help: "Of each way to measure" },
    events: { type: "string", default: "10000000", help: "Of each run" },
  },
});
const runs = Number(values.runs);
const events = Number(values.events);
const CLI = fileURLToPath(new URL("../../apps/server/dist/cli.js", import.meta.url));
const FLOOD = fileURLToPath(new URL("./flood.ts", import.meta.url));
const TOPIC = "order.created";
const PAYLOAD = Buffer.alloc(32, "x");

/** One way to measure: millions of events a second of each run, and what else is worth a line. */
interface Result {
  readonly name: string;
  readonly rates: readonly number[];
  readonly note?: string;
}

function frame(priority: number): Buffer {
  const head = Buffer.alloc(7);
  head.writeUInt32BE(3 + TOPIC.length + PAYLOAD.length, 0);
  head.writeUInt8(priority, 4);
  head.writeUInt16BE(TOPIC.length, 5);
  return Buffer.concat([head, Buffer.from(TOPIC), PAYLOAD]);
}

/** Starts a generator; resolves when its socket has closed. */
function flood(port: number, message: Buffer, count: number, preamble = "", end = ""): Promise<unknown> {
  const hex = (text: string) => Buffer.from(text).toString("hex");
  const child = spawn(process.execPath, [
    FLOOD,
    `--port=${port}`,
    `--message=${message.toString("hex")}`,
    `--count=${count}`,
    `--preamble=${hex(preamble)}`,
    `--end=${hex(end)}`,
  ]);
  return new Promise((resolve, reject) => {
    // Nobody would ever count what a generator that understood nothing didn't send.
    child.once("close", (code) => (code === 2 ? reject(new Error("the generator was called wrongly")) : resolve(code)));
  });
}

interface Counts {
  readonly processed: number;
  readonly deadLettered: number;
  readonly stored: number;
  readonly dropped: Readonly<Record<string, number>>;
}

async function ours(name: string, messages: Buffer, framesPerMessage: number): Promise<Result> {
  const dir = mkdtempSync(join(tmpdir(), "esc-bench-"));
  const rates: number[] = [];
  let rss = 0;
  let lost = 0;
  for (let run = 0; run < runs; run++) {
    const child = spawn(process.execPath, [CLI, "start"], {
      cwd: dir,
      env: {
        PATH: process.env.PATH,
        ESC_STORAGE_PATH: join(dir, String(run)),
        ESC_INGESTION_TCP_PORT: "0",
        ESC_INGESTION_UDP_PORT: "0",
        ESC_HTTP_PORT: "0",
      },
      stdio: ["ignore", "pipe", "ignore"],
    });
    const ready = await untilReady(child.stdout);
    const counts = async () => (await (await fetch(`http://${ready.http}/api/v1/stats`)).json()) as Counts;
    const sum = ({ processed, deadLettered, dropped }: Counts) =>
      processed + deadLettered + Object.values(dropped).reduce((all, one) => all + one, 0);
    await counts();
    const started = performance.now();
    const sent = flood(Number(ready.tcp.split(":")[1]), messages, events / framesPerMessage);
    let now = await counts();
    while (sum(now) < events || now.stored < events - (now.dropped.lane_full_batch ?? 0)) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      now = await counts();
    }
    rates.push(events / (performance.now() - started) / 1e3);
    await sent;
    lost += Object.values(now.dropped).reduce((all, one) => all + one, 0) + now.deadLettered;
    rss = Math.max(rss, Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) / 1_024);
    child.kill("SIGTERM");
    await new Promise((resolve) => child.once("exit", resolve));
    rmSync(join(dir, String(run)), { recursive: true, force: true });
  }
  rmSync(dir, { recursive: true, force: true });
  return { name, rates, note: `highest RSS ${rss.toFixed(0)} MB; dropped or dead ${lost}` };
}

/** Where the server listens, once it says so; whatever lines come before. */
async function untilReady(stdout: Readable): Promise<{ readonly tcp: string; readonly http: string }> {
  for await (const line of createInterface({ input: stdout })) {
    const said = JSON.parse(line) as { msg: string; tcp: string; http: string };
    if (said.msg !== "ready") continue;
    // Nobody reads further, and a full pipe must not hold the server back.
    stdout.resume();
    return said;
  }
  throw new Error("the server ended before it was ready");
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function reachable(port: number): Promise<Socket> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = await new Promise<Socket | undefined>((resolve) => {
      const one = netConnect(port, "127.0.0.1", () => resolve(one));
      one.once("error", () => resolve(undefined));
    });
    if (socket !== undefined) return socket;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nobody listens on ${port}`);
}

/** A peer that reads everything and then does what `end` says: closes (QUIT), after an answer to a last ping. */
async function peer(
  name: string,
  command: (port: number, dir: string, monitor: number) => string[],
  message: Buffer,
  preamble: string,
  done: (port: number, monitor: number) => Promise<void>,
): Promise<Result | string> {
  const rates: number[] = [];
  for (let run = 0; run < runs; run++) {
    const dir = mkdtempSync(join(tmpdir(), "esc-peer-"));
    const port = await freePort();
    const monitor = await freePort();
    const [file = "", ...args] = command(port, dir, monitor);
    const child = spawn(file, args, { stdio: "ignore" });
    const missing = await new Promise<boolean>((resolve) => {
      child.once("error", () => resolve(true));
      child.once("spawn", () => resolve(false));
    });
    if (missing) return `${name}: ${file} is not installed; left out`;
    (await reachable(port)).destroy();
    const started = performance.now();
    const sent = flood(port, message, events, preamble);
    await done(port, monitor);
    rates.push(events / (performance.now() - started) / 1e3);
    child.kill("SIGKILL");
    await Promise.all([sent, new Promise((resolve) => child.once("exit", resolve))]);
    rmSync(dir, { recursive: true, force: true });
  }
  return { name, rates };
}

/** Redis: until the stream is as long as what was sent. */
async function redisDone(port: number): Promise<void> {
  const socket = await reachable(port);
  let answer = "";
  socket.on("data", (chunk) => {
    answer = chunk.toString();
  });
  while (!answer.startsWith(`:${events}\r`)) {
    socket.write(`XLEN ${TOPIC}\r\n`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  socket.destroy();
}

/** NATS: until the monitoring page has counted all. */
async function natsDone(_port: number, monitor: number): Promise<void> {
  for (;;) {
    const { in_msgs } = (await (await fetch(`http://127.0.0.1:${monitor}/varz`)).json()) as { in_msgs: number };
    if (in_msgs >= events) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function line({ name, rates, note }: Result, best?: number): string {
  const { median, lowest, highest } = spread(rates);
  const range = `${lowest.toFixed(2)} to ${highest.toFixed(2)}`;
  const ratio = best === undefined ? "" : `, ours is ${(best / median).toFixed(1)}×`;
  return `${name}: median ${median.toFixed(2)} M events/s (${range}, ${rates.length} runs)${ratio}${note === undefined ? "" : `; ${note}`}`;
}

const out = (text: string) => process.stdout.write(`${text}\n`);

out(machineLine());
out(`${events} events of 52 bytes (topic ${TOPIC}, 32-byte payload), generator on the same cores`);
const transactional = await ours("TCP → log (group sync) → processor, transactional", frame(2), 1);
out(line(transactional));
out(line(await ours("the same, five priorities mixed", Buffer.concat([0, 1, 2, 3, 4].map(frame)), 5)));
const best = spread(transactional.rates).median;
const redisMessage = Buffer.from(
  `*5\r\n$4\r\nXADD\r\n$${TOPIC.length}\r\n${TOPIC}\r\n$1\r\n*\r\n$1\r\np\r\n$32\r\n${PAYLOAD}\r\n`,
);
for (const result of [
  await peer(
    "NATS server, publish only, nothing stored",
    (port, _dir, monitor) => ["nats-server", "-a", "127.0.0.1", "-p", String(port), "-m", String(monitor)],
    Buffer.from(`PUB ${TOPIC} 32\r\n${PAYLOAD}\r\n`),
    'CONNECT {"verbose":false,"pedantic":false}\r\n',
    natsDone,
  ),
  await peer(
    "Redis XADD, pipelined, appendfsync everysec",
    (port, dir) => [
      "redis-server",
      "--bind",
      "127.0.0.1",
      "--port",
      String(port),
      "--dir",
      dir,
      "--save",
      "",
      "--appendonly",
      "yes",
      "--appendfsync",
      "everysec",
    ],
    redisMessage,
    "",
    redisDone,
  ),
]) {
  out(typeof result === "string" ? result : line(result, best));
}

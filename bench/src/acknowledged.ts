/**
 * Acknowledged events over loopback TCP, at the same durability side by side: one producer with one event under way
 * (latency), and with a window of a thousand (rate). Each server runs alone, one after the other; the client is the same.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, connect as netConnect, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AckDecoder, AnswerKind } from "@esc/events";

export interface AcknowledgedOptions {
  readonly dir: string;
  /** Events of each measurement with a window; a twentieth of it without. */
  readonly events: number;
  readonly runs: number;
  readonly out: (text: string) => void;
}

const CLI = fileURLToPath(new URL("../../apps/server/dist/cli.js", import.meta.url));
const TOPIC = "order.created";
const PAYLOAD = "x".repeat(32);
const WINDOW = 1_000;
/** Events with one under way before any is measured. */
const WARM_UP = 5_000;

/** A server to measure, as one program and as a client sees it. */
interface Subject {
  readonly name: string;
  readonly command: (port: number, dir: string) => readonly [file: string, ...args: string[]];
  readonly env?: (port: number, dir: string) => NodeJS.ProcessEnv;
  /** What is said once on a connection before events; resolves when events may come. */
  readonly hello?: (socket: Socket) => Promise<void>;
  readonly message: Buffer;
  /** Makes a counter of acknowledgements out of what comes back: how many a piece completes. */
  readonly answers: () => (chunk: Buffer) => number;
}

function frame(): Buffer {
  const head = Buffer.alloc(7);
  head.writeUInt32BE(3 + TOPIC.length + PAYLOAD.length, 0);
  head.writeUInt8(2 | 0x20, 4);
  head.writeUInt16BE(TOPIC.length, 5);
  return Buffer.concat([head, Buffer.from(TOPIC + PAYLOAD)]);
}

function ours(policy: string): Subject {
  return {
    name: `EventStreamCore, sync ${policy}`,
    command: () => [process.execPath, CLI, "start"],
    env: (port, dir) => ({
      PATH: process.env.PATH,
      ESC_STORAGE_PATH: dir,
      ESC_INGESTION_TCP_PORT: String(port),
      ESC_INGESTION_UDP_ENABLE: "false",
      ESC_HTTP_ENABLE: "false",
      ESC_STORAGE_SYNC_TRANSACTIONAL: policy,
    }),
    message: frame(),
    answers: () => {
      const decoder = new AckDecoder();
      let durable = 0;
      return (chunk) => {
        const before = durable;
        for (const answer of decoder.push(chunk)) if (answer.kind === AnswerKind.durable) durable = answer.n;
        return durable - before;
      };
    },
  };
}

/** Lines that begin as an acknowledgement does. */
function countLines(begin: string): () => (chunk: Buffer) => number {
  return () => {
    let rest = "";
    return (chunk) => {
      const lines = (rest + chunk.toString("latin1")).split("\r\n");
      rest = lines.pop() ?? "";
      return lines.filter((line) => line.startsWith(begin)).length;
    };
  };
}

function redis(appendfsync: string): Subject {
  const words = ["XADD", TOPIC, "*", "p", PAYLOAD];
  const message = `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
  return {
    name: `Redis XADD, appendfsync ${appendfsync}`,
    command: (port, dir) => [
      "redis-server",
      ...["--bind", "127.0.0.1", "--port", String(port), "--dir", dir, "--save", ""],
      ...["--appendonly", "yes", "--appendfsync", appendfsync],
    ],
    message: Buffer.from(message),
    // The id's length, and the id: one line of each.
    answers: countLines("$"),
  };
}

function nats(always: boolean): Subject {
  return {
    name: `NATS JetStream, file storage, ${always ? "sync_interval always" : "synced every two minutes"}`,
    command: (port, dir) => {
      const interval = always ? "sync_interval: always" : "";
      const config = `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${join(dir, "js")}"\n${interval} }\n`;
      writeFileSync(join(dir, "nats.conf"), config);
      return ["nats-server", "-c", join(dir, "nats.conf")];
    },
    hello: async (socket) => {
      const stream = JSON.stringify({ name: "bench", subjects: [TOPIC], storage: "file" });
      socket.write('CONNECT {"verbose":false,"pedantic":false}\r\nSUB made 1\r\nSUB acks 2\r\n');
      socket.write(`PUB $JS.API.STREAM.CREATE.bench made ${stream.length}\r\n${stream}\r\n`);
      let text = "";
      await new Promise<void>((resolve, reject) => {
        socket.on("data", (chunk) => {
          text += chunk.toString();
          if (text.includes("stream_create_response") && text.endsWith("\r\n")) resolve();
        });
        socket.once("close", () => reject(new Error(`no stream: ${text}`)));
      });
      socket.removeAllListeners("data");
    },
    message: Buffer.from(`PUB ${TOPIC} acks ${PAYLOAD.length}\r\n${PAYLOAD}\r\n`),
    answers: countLines("MSG acks"),
  };
}

/** Peers with the same promise beside ours. */
const COMPARISONS: readonly { readonly promise: string; readonly subjects: readonly Subject[] }[] = [
  {
    promise: "synced before the acknowledgement",
    subjects: [ours("always"), ours("group"), redis("always"), nats(true)],
  },
  {
    promise: "acknowledged when the system has it, synced later or never",
    subjects: [ours("never"), redis("everysec"), nats(false)],
  },
];

/** Measures all that are installed; says so of those that aren't. */
export async function acknowledged({ dir, events, runs, out }: AcknowledgedOptions): Promise<void> {
  for (const { promise, subjects } of COMPARISONS) {
    out(`${promise}: 32-byte payloads over TCP, one producer`);
    for (const subject of subjects)
      out(`  ${subject.name}: ${await measured(subject, join(dir, "peer"), events, runs)}`);
  }
}

async function measured(subject: Subject, dir: string, events: number, runs: number): Promise<string> {
  const latencies: number[] = [];
  const rates: number[] = [];
  for (let run = 0; run < runs; run++) {
    mkdirSync(dir, { recursive: true });
    const port = await freePort();
    const [file, ...args] = subject.command(port, dir);
    const child = spawn(file, args, { stdio: "ignore", env: subject.env?.(port, dir) ?? process.env });
    try {
      const missing = await Promise.race([
        new Promise<string>((resolve) => child.once("error", () => resolve(`${file} is not installed; left out`))),
        new Promise<undefined>((resolve) => child.once("spawn", () => resolve(undefined))),
      ]);
      if (missing !== undefined) return missing;
      const socket = await reachable(port, child);
      if (socket === undefined) return "this version does not start with that setting; left out";
      await subject.hello?.(socket);
      const count = subject.answers();
      // The server's code, and this client's, are compiled as they run.
      await drive(socket, subject.message, count, WARM_UP, 1);
      latencies.push(...(await drive(socket, subject.message, count, Math.max(1, Math.floor(events / 20)), 1)).times);
      const { seconds } = await drive(socket, subject.message, count, events, WINDOW);
      rates.push(events / seconds / 1e3);
      socket.destroy();
    } finally {
      await ended(child);
      rmSync(dir, { recursive: true, force: true });
    }
  }
  latencies.sort((a, b) => a - b);
  rates.sort((a, b) => a - b);
  const at = (share: number) => (latencies[Math.floor(latencies.length * share)] as number).toFixed(3);
  const rate = (rates[Math.floor(rates.length / 2)] as number).toFixed(1);
  return `one under way p50 ${at(0.5)} ms, p99 ${at(0.99)} ms; ${WINDOW} under way ${rate} k events/s (${rates[0]?.toFixed(1)} to ${rates.at(-1)?.toFixed(1)})`;
}

/** Sends events, never more than the window before their acknowledgements. */
function drive(
  socket: Socket,
  message: Buffer,
  count: (chunk: Buffer) => number,
  events: number,
  window: number,
): Promise<{ seconds: number; times: number[] }> {
  const times: number[] = [];
  const started = performance.now();
  let sent = 0;
  let acked = 0;
  let sentAt = started;
  const many = Buffer.concat(Array.from({ length: window }, () => message));
  return new Promise((resolve, reject) => {
    const send = () => {
      const room = Math.min(window - (sent - acked), events - sent);
      if (room === 0) return;
      sent += room;
      sentAt = performance.now();
      socket.write(many.subarray(0, room * message.length));
    };
    const failed = () => reject(new Error(`the connection ended after ${acked} of ${events} acknowledgements`));
    socket.once("close", failed);
    socket.on("data", (chunk: Buffer) => {
      const now = count(chunk);
      if (now === 0) return;
      acked += now;
      if (window === 1) times.push(performance.now() - sentAt);
      if (acked < events) return send();
      socket.removeAllListeners("data").off("close", failed);
      resolve({ seconds: (performance.now() - started) / 1e3, times });
    });
    send();
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** A connection once somebody listens; undefined when the program ended instead. */
async function reachable(port: number, child: ChildProcess): Promise<Socket | undefined> {
  for (let attempt = 0; attempt < 200 && child.exitCode === null; attempt++) {
    const socket = await new Promise<Socket | undefined>((resolve) => {
      const one = netConnect({ port, host: "127.0.0.1", noDelay: true }, () => resolve(one));
      one.once("error", () => resolve(undefined));
    });
    if (socket !== undefined) return socket;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return undefined;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exit;
}

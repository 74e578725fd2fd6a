/**
 * Kills the server with SIGKILL at random moments under acknowledged load, starts it again on the same directory, and
 * looks for every acknowledged event in the log.
 *
 *     npm run kill-rounds -- [--rounds 200] [--seed 1] [--seconds N] [--workers N]
 */
import { randomInt } from "node:crypto";
import type net from "node:net";
import { LANE_NAMES } from "@esc/events";
import { checkLog, findLogs, LogReader, logDirectory } from "@esc/storage";
import { commandLine } from "@esc/tooling/script";
import { Answers, connect, plainFrame, seeded } from "../src/testing/plain-frames.fixture.ts";
import { ServerProcess } from "../src/testing/server-process.fixture.ts";

const ACK = 0x20;
const CONNECTIONS = 4;
const MOST_EVENTS = 20_000;

const values = commandLine({
  about: "Kills a server with SIGKILL under acknowledged load, and looks for every acknowledged event afterwards.",
  options: {
    rounds: { type: "string", default: "200", help: "Kills" },
    seed: { type: "string", default: String(randomInt(2 ** 31)), help: "Of all that is random; a random one" },
    seconds: { type: "string", default: "3600", help: "No further round after so long" },
    workers: { type: "string", default: "auto", help: "Ingest threads" },
  },
});
const rounds = Number(values.rounds);
const seed = Number(values.seed);
const env = { ESC_INGESTION_WORKERS: String(values.workers) };
const deadline = Date.now() + Number(values.seconds) * 1_000;
const random = seeded(seed);
const nextSequence = new Map<string, number>(LANE_NAMES.map((lane) => [lane, 1]));

/** Sends until the connection is cut, in bursts of random size; returns how many frames were acknowledged. */
async function load(port: number, name: string): Promise<Answers> {
  const socket: net.Socket = await connect(port);
  socket.on("error", () => undefined);
  const answers = new Answers(socket);
  let sent = 0;
  const send = () => {
    if (socket.destroyed || sent >= MOST_EVENTS) return;
    const burst = 1 + Math.floor(random() * 200);
    const frames = Array.from({ length: burst }, () => {
      sent++;
      return plainFrame((sent % 5) | ACK, "torture.kill", `${name}:${sent}`);
    });
    const more = socket.write(Buffer.concat(frames));
    if (more) setTimeout(send, random() * 5);
    else socket.once("drain", send);
  };
  send();
  return answers;
}

/** The payloads that have come into the logs since the last round. */
function readNewEvents(dataDir: string): string[] {
  const payloads: string[] = [];
  for (const lane of LANE_NAMES) {
    using reader = new LogReader({ dir: logDirectory(dataDir, lane), fromSequence: nextSequence.get(lane) as number });
    for (const view of reader) {
      payloads.push(view.text());
      nextSequence.set(lane, view.sequence + 1);
    }
  }
  return payloads;
}

let server = await ServerProcess.start({ env });
const { dataDir } = server;
let acknowledged = 0;
let failed = 0;
let done = 0;
for (let round = 1; round <= rounds && Date.now() < deadline; round++) {
  const name = (connection: number) => `${seed}.${round}.${connection}`;
  const all = await Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => load(server.tcpPort, name(i))));
  await new Promise((resolve) => setTimeout(resolve, 5 + random() * 300));
  server.kill("SIGKILL");
  await server.exited;

  server = await ServerProcess.start({ dataDir, env });
  const events = readNewEvents(dataDir);
  const found = new Set(events);
  const lost: string[] = [];
  for (const [i, answers] of all.entries()) {
    acknowledged += answers.durable;
    for (let n = 1; n <= answers.durable; n++) if (!found.has(`${name(i)}:${n}`)) lost.push(`${name(i)}:${n}`);
  }
  const stats = await server.statsWhen((s) => s.behind === 0 && s.inFlight === 0 && s.processed === s.replayed);
  const problems = [
    ...(lost.length > 0 ? [`${lost.length} acknowledged events lost, the first ${lost[0]}`] : []),
    ...(found.size === events.length ? [] : [`${events.length - found.size} events are in the log twice`]),
    ...(stats.processed === stats.replayed ? [] : ["events from before the crash were not taken up again"]),
  ];
  done++;
  if (problems.length > 0) failed++;
  process.stdout.write(
    `round ${round}: ${events.length} events, ${all.reduce((sum, answers) => sum + answers.durable, 0)} acknowledged, ${stats.replayed} taken up again${problems.length > 0 ? `: ${problems.join("; ")}` : ""}\n`,
  );
}
const code = await server.stop();
const sound = findLogs(dataDir).every((log) => checkLog(log).sound);
await server[Symbol.asyncDispose]();
process.stdout.write(
  `seed ${seed}: ${done} rounds, ${acknowledged} events acknowledged, ${failed} rounds failed; log ${sound ? "sound" : "DAMAGED"}, stopped with ${code}\n`,
);
process.exitCode = failed > 0 || !sound || code !== 0 || done === 0 ? 1 : 0;

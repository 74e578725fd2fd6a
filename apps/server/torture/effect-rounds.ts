/**
 * Kills the server with SIGKILL at random moments under mixed load while asynchronous handlers write down what they did,
 * starts it again on the same directory, sends what wasn't acknowledged once more, and looks whether
 *
 * - every acknowledged transactional event took effect, or is a dead letter where its handler always fails;
 * - an event below the durable cursor is never handled again, so that a sink which ignores what it has had (by id) ends up
 *   with every event exactly once;
 * - the events of each key took effect in the order in which they were sent;
 * - every sample of the counts adds up.
 *
 * With `--shards N` each lane has N threads; `--shards 3,1,4` takes the next number at each start.
 *
 *     npm run effect-rounds -- [--rounds 100] [--seed 1] [--seconds N] [--shards 1]
 */
import { createHash, randomInt } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readShards } from "@esc/processors";
import { shareOf } from "@esc/queues";
import { checkLog, findLogs, LogReader, logDirectory } from "@esc/storage";
import { commandLine } from "@esc/tooling/script";
import { Answers, connect, frameWithId, seeded } from "../src/testing/plain-frames.fixture.ts";
import { accountedFor, ServerProcess, temporaryDirectory } from "../src/testing/server-process.fixture.ts";

const ACK = 0x20;
const KEYS = 8;
const MOST_EVENTS = 500;
const LANE = "transactional";

const values = commandLine({
  about: "Kills a server with SIGKILL while handlers write down what they did, and looks for every effect afterwards.",
  options: {
    rounds: { type: "string", default: "100", help: "Kills" },
    seed: { type: "string", default: String(randomInt(2 ** 31)), help: "Of all that is random; a random one" },
    seconds: { type: "string", default: "3600", help: "No further round after so long" },
    shards: { type: "string", default: "one", help: "Threads of each lane, as 3; or several numbers, as 3,1,4" },
  },
});
const rounds = Number(values.rounds);
const seed = Number(values.seed);
const deadline = Date.now() + Number(values.seconds) * 1_000;
const shards = values.shards === "one" ? ["1"] : values.shards.split(",");
const random = seeded(seed);

// One effect is one line, written by a single call: a kill leaves whole lines only. Some events fail once, some always; some
// take time; some publish another event, whose effect counts as well.
const dir = temporaryDirectory();
const effectsFile = join(dir, "effects");
writeFileSync(
  join(dir, "handler.mjs"),
  `import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
const effect = (text) => appendFileSync(${JSON.stringify(effectsFile)}, process.pid + " " + text + "\\n");
export default [
  { topics: "work.*", key: (event) => event.text().split(":")[0], async handle(event, context) {
    const n = Number(event.text().split(":")[1]);
    if (n % 7 === 0) await sleep(n % 4);
    if (n % 101 === 100) throw new Error("always");
    if (n % 43 === 42 && event.attempt === 1) throw new Error("once");
    if (n % 20 === 0) context.emit({ topic: "derived." + event.text().split(":")[0], payload: event.text() });
    effect(event.text());
  } },
  { topics: "derived.*", handle: (event) => effect("derived:" + event.text()) },
];`,
);
writeFileSync(
  join(dir, "esc.yaml"),
  "handlers: [./handler.mjs]\nprocessing: { retry: { attempts: 3, delay_ms: 3 } }\nstorage: { segment_bytes: 1MiB }\n",
);
const args = ["--config", join(dir, "esc.yaml")];

/** A client that sends the events of one key, in order, each until it is acknowledged. */
class Client {
  readonly key: string;
  /** Transactional events sent, and those of them that are acknowledged: all before this number. */
  sent = 0;
  acknowledged = 0;

  constructor(key: string) {
    this.key = key;
  }

  /** Sends until the connection is cut, first what wasn't acknowledged; events of the other lanes go between. */
  async load(port: number): Promise<Answers> {
    const socket = await connect(port);
    socket.on("error", () => undefined);
    const answers = new Answers(socket);
    const first = this.acknowledged;
    /** By frame of this connection: the number of its transactional event, or -1. */
    const frames: number[] = [];
    let next = first;
    const send = () => {
      if (socket.destroyed || next - first >= MOST_EVENTS) return;
      const burst = Array.from({ length: 1 + Math.floor(random() * 100) }, () => {
        const lane = frames.length % 4;
        frames.push(lane < 2 ? next++ : -1);
        const payload = `${this.key}:${lane < 2 ? next - 1 : frames.length}`;
        const priority = [1, 2, 3, 0][lane] as number;
        return frameWithId(
          priority | ACK,
          lane < 2 ? `work.${this.key}` : "other",
          payload,
          idOf(`${lane < 2} ${payload}`),
        );
      });
      this.sent = Math.max(this.sent, next);
      if (socket.write(Buffer.concat(burst))) setTimeout(send, random() * 5);
      else socket.once("drain", send);
    };
    send();
    socket.once("close", () => {
      for (const n of frames.slice(0, answers.durable))
        if (n >= 0) this.acknowledged = Math.max(this.acknowledged, n + 1);
    });
    return answers;
  }
}

function idOf(text: string): Uint8Array {
  return createHash("sha256").update(`${seed} ${text}`).digest().subarray(0, 16);
}

interface Effect {
  readonly life: string;
  readonly event: string;
}

function readEffects(): Effect[] {
  if (!existsSync(effectsFile)) return [];
  const lines = readFileSync(effectsFile, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => {
    const [life = "", event = ""] = line.split(" ");
    return { life, event };
  });
}

/** How often each event took effect. */
function count(effects: readonly Effect[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { event } of effects) counts.set(event, (counts.get(event) ?? 0) + 1);
  return counts;
}

/**
 * The events that the durable cursors of the lane's shards have passed, those of the present or of a division before. What
 * is finished beyond a cursor doesn't count: it may be the second copy of an event whose first one isn't.
 */
async function passedEvents(dataDir: string): Promise<string[]> {
  const { by, past, resumes } = await readShards({ dataDir, lane: LANE, onError: (message) => damage.push(message) });
  const layouts = [{ shards: resumes.length, by, parts: resumes.map(({ checkpoint }) => checkpoint) }];
  const passed: string[] = [];
  using reader = new LogReader({ dir: logDirectory(dataDir, LANE) });
  for (const { sequence, topic, topicHash, text } of recordsOf(reader)) {
    const isPassed = [...layouts, ...(past?.layouts ?? [])].some(
      ({ by, shards, parts }) => sequence < (parts[shareOf(by, shards, topicHash, sequence)]?.cursor ?? 1),
    );
    if (isPassed) passed.push(topic.startsWith("derived") ? `derived:${text}` : text);
  }
  return passed;
}

function* recordsOf(reader: LogReader) {
  for (const view of reader) {
    const { sequence, topic, topicHash } = view;
    yield { sequence, topic, topicHash, text: view.text() };
  }
}

function deadEvents(dataDir: string): Set<string> {
  using reader = new LogReader({ dir: logDirectory(dataDir, "dead-letters") });
  return new Set(Array.from(reader, (view) => view.text()));
}

/** What is wrong with a life's order: keys whose events took effect out of order. */
function outOfOrder(effects: readonly Effect[]): string[] {
  const last = new Map<string, number>();
  const wrong: string[] = [];
  for (const { life, event } of effects) {
    if (event.startsWith("derived:")) continue;
    const [key, n] = event.split(":");
    const at = `${life} ${key}`;
    if (Number(n) <= (last.get(at) ?? -1)) wrong.push(`${event} behind ${last.get(at)}`);
    last.set(at, Number(n));
  }
  return wrong;
}

/** Broken files that were met. */
const damage: string[] = [];
let starts = 0;
/** The next start's number of shards. */
function environment(): Record<string, string> {
  return { ESC_ROUTER_SHARDS: shards[starts++ % shards.length] as string };
}

let server = await ServerProcess.start({ args, env: environment() });
const { dataDir } = server;
const clients = Array.from({ length: KEYS }, (_, index) => new Client(`k${index}`));
let failed = 0;
let done = 0;
for (let round = 1; round <= rounds && Date.now() < deadline; round++) {
  const problems: string[] = [];
  const running = server;
  const answers = await Promise.all(clients.map((client) => client.load(running.tcpPort)));
  const samples = setInterval(async () => {
    const stats = await running.stats().catch(() => undefined);
    if (stats !== undefined && (stats.inFlight < 0 || accountedFor(stats) + stats.inFlight !== stats.accepted)) {
      problems.push(`counts don't add up: ${JSON.stringify(stats)}`);
    }
  }, 20);
  await new Promise((resolve) => setTimeout(resolve, 20 + random() ** 3 * 1_500));
  clearInterval(samples);
  running.kill("SIGKILL");
  await running.exited;
  await Promise.all(answers.map((each) => each.until(() => each.closed, 5_000)));
  const before = count(readEffects());
  const passed = await passedEvents(dataDir);

  server = await ServerProcess.start({ dataDir, args, env: environment() });
  const stats = await server.statsWhen((s) => s.inFlight === 0 && s.behind === 0);
  if (stats.inFlight !== 0 || stats.behind !== 0)
    problems.push(`${stats.inFlight + stats.behind} events are still in flight`);
  const effects = readEffects();
  const after = count(effects);
  const dead = deadEvents(dataDir);
  let wanted = 0;
  for (const { key, acknowledged } of clients) {
    for (let n = 0; n < acknowledged; n++) {
      wanted++;
      const event = `${key}:${n}`;
      const poison = n % 101 === 100;
      if (poison ? !dead.has(event) : !after.has(event)) problems.push(`${event} was acknowledged and took no effect`);
      if (!poison && n % 20 === 0 && !after.has(`derived:${event}`))
        problems.push(`what ${event} published took no effect`);
    }
  }
  for (const event of passed) {
    if (Number(event.split(":").at(-1)) % 101 === 100) continue;
    if (!before.has(event)) problems.push(`the cursor has passed ${event}, which took no effect`);
    if (before.get(event) !== after.get(event))
      problems.push(`${event} was handled again though the cursor had passed it`);
  }
  problems.push(...damage.splice(0), ...outOfOrder(effects));
  const twice = [...after.values()].reduce((sum, times) => sum + times - 1, 0);
  done++;
  if (problems.length > 0) failed++;
  process.stdout.write(
    `round ${round}: ${wanted} acknowledged, ${after.size} effects, ${twice} of them more than once since the start, ${stats.replayed} taken up again, ${stats.duplicates} duplicates${problems.length > 0 ? `: ${problems.length} problems, ${problems.slice(0, 3).join("; ")}` : ""}\n`,
  );
}
const code = await server.stop();
rmSync(dir, { recursive: true, force: true });
const sound = findLogs(dataDir).every((log) => checkLog(log).sound);
await server[Symbol.asyncDispose]();
process.stdout.write(
  `seed ${seed}: ${done} rounds, ${clients.reduce((sum, { acknowledged }) => sum + acknowledged, 0)} events acknowledged, ${failed} rounds failed; log ${sound ? "sound" : "DAMAGED"}, stopped with ${code}\n`,
);
process.exitCode = failed > 0 || !sound || code !== 0 || done === 0 ? 1 : 0;

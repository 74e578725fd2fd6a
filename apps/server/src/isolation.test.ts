import { rmSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Readiness } from "./http-server.ts";
import { HandlerFolder } from "./testing/handlers.fixture.ts";
import { connect, finish, plainFrame, writeAll } from "./testing/plain-frames.fixture.ts";
import { accountedFor, esc, ServerProcess, temporaryDirectory } from "./testing/server-process.fixture.ts";

let dir: string;
let server: ServerProcess | undefined;

beforeEach(() => {
  dir = temporaryDirectory();
});

afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
  rmSync(dir, { recursive: true, force: true });
});

async function start(folder: HandlerFolder, env: Record<string, string> = {}): Promise<ServerProcess> {
  server = await ServerProcess.start({ args: folder.args, env });
  return server;
}

async function send(to: ServerProcess, frames: readonly Buffer[]): Promise<void> {
  const socket = await connect(to.tcpPort);
  await writeAll(socket, Buffer.concat(frames));
  await finish(socket);
}

async function readiness(of: ServerProcess): Promise<Readiness & { status: number }> {
  const response = await fetch(`http://127.0.0.1:${of.httpPort}/readyz`);
  return { status: response.status, ...((await response.json()) as Readiness) };
}

async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what} did not come`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The one dead letter, as the log holds it. */
async function deadLetters(of: ServerProcess) {
  const { stdout } = await esc("log", "cat", of.dataDir, "--lane", "dead-letters", "--json");
  const lines = stdout.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as { payload: string; metadata: Record<string, string> });
}

const ONE_ATTEMPT = "processing: { retry: { attempts: 1 }, restart: { delay_ms: 500 } }\n";

test.each([
  ["loops for ever", "for (;;);", { ESC_HANDLER_STALL_MS: "1000" }, /kept the thread busy for more than 1000 ms/],
  ["ends its thread", "process.exit(7);", {}, /the thread ended with code 7/],
  [
    "needs more memory than its thread has",
    "const all = []; for (;;) all.push(new Array(100_000).fill(all.length));",
    { ESC_HANDLERS_MEMORY: "32MiB" },
    /memory/i,
  ],
  [
    "throws where nobody waits for it",
    "setTimeout(() => { throw new Error('stray'); }); return new Promise(() => {});",
    {},
    /stray/,
  ],
])(
  "a handler that %s: its event is a dead letter, its lane is started again, the others never stop, readiness tells",
  async (_, deed, env, error) => {
    const folder = new HandlerFolder(
      dir,
      `export default { topics: ">", handle(event, { lane }) {
        note(lane + " " + event.text());
        if (event.text() === "bad") { ${deed} }
      } };`,
      ONE_ATTEMPT,
    );
    const running = await start(folder, env);
    await send(running, [plainFrame(2, "job", "before"), plainFrame(2, "job", "bad"), plainFrame(2, "job", "after")]);
    await until(async () => folder.notes().includes("transactional bad"), "the bad event");
    await send(running, [plainFrame(4, "tick", "urgent"), plainFrame(0, "tick", "bulk")]);
    await until(async () => folder.notes().filter((note) => /urgent|bulk/.test(note)).length === 2, "the other lanes");
    let degraded = false;
    await until(async () => {
      const state = await readiness(running);
      degraded ||= state.degraded && state.ready && state.status === 200 && error.test(state.checks.lanes ?? "");
      const stats = await running.stats();
      return accountedFor(stats) === 5 && !state.degraded;
    }, "the end of the trouble");
    const stats = await running.stats();
    expect(stats).toMatchObject({ accepted: 5, processed: 4, deadLettered: 1, inFlight: 0, replayed: 0 });
    expect(stats.lanes.transactional.restarts).toBe(1);
    expect([stats.lanes.realtime.restarts, stats.lanes.batch.restarts]).toEqual([0, 0]);
    expect(folder.notes().filter((note) => note.startsWith("transactional"))).toEqual([
      "transactional before",
      "transactional bad",
      "transactional after",
    ]);
    expect(degraded).toBe(true);
    expect(await running.stop()).toBe(0);
    const [letter] = await deadLetters(running);
    expect(letter).toMatchObject({ payload: "bad", metadata: { "dl.reason": "worker_died", "dl.attempts": "1" } });
    expect(letter?.metadata["dl.error"]).toMatch(error);
  },
);

test("an event that kills its thread is tried as often as any other before it is a dead letter", async () => {
  const folder = new HandlerFolder(
    dir,
    `export default { topics: ">", handle(event) { note(event.text() + event.attempt); if (event.text() === "bad") process.exit(1); } };`,
    "processing: { retry: { attempts: 3 }, restart: { delay_ms: 20 } }\n",
  );
  const running = await start(folder);
  await send(running, [plainFrame(2, "job", "bad"), plainFrame(2, "job", "good")]);
  const stats = await running.statsWhen((s) => accountedFor(s) === 2);
  expect(stats).toMatchObject({ processed: 1, deadLettered: 1 });
  expect(stats.lanes.transactional.restarts).toBe(3);
  expect(folder.notes()).toEqual(["bad1", "bad2", "bad3", "good1"]);
});

test("a lane that dies again and again under load loses and doubles nothing, and every sample of the counts adds up", async () => {
  const events = 2_000;
  const folder = new HandlerFolder(
    dir,
    `export default { topics: ">", key: (event) => event.text().split(":")[0], async handle(event) {
      const n = Number(event.text().split(":")[1]);
      if (n % 700 === 699) process.exit(1);
      if (n % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      if (n % 50 === 7 && event.attempt === 1) throw new Error("once");
      note(event.text());
    } };`,
    "processing: { retry: { attempts: 2, delay_ms: 5 }, restart: { delay_ms: 10 } }\n",
  );
  const running = await start(folder);
  const sending = send(
    running,
    Array.from({ length: events }, (_, n) => plainFrame(2, "job", `${n % 20}:${n}`)),
  );
  let samples = 0;
  const stats = await running.statsWhen((s) => {
    samples++;
    expect(s.inFlight).toBeGreaterThanOrEqual(0);
    expect(accountedFor(s) + s.inFlight).toBe(s.accepted);
    return s.accepted === events && s.inFlight === 0;
  });
  await sending;
  expect(samples).toBeGreaterThan(1);
  expect(stats).toMatchObject({ accepted: events, processed: events - 2, deadLettered: 2, replayed: 0, inFlight: 0 });
  const notes = folder.notes();
  expect(new Set(notes).size).toBe(events - 2);
  // What was being handled when the thread died is handled again: at most as many as may run at once, for each death.
  expect(notes.length - new Set(notes).size).toBeLessThanOrEqual(64 * stats.lanes.transactional.restarts);
  for (let key = 0; key < 20; key++) {
    const order = [...new Set(notes.filter((note) => note.startsWith(`${key}:`)))].map((note) =>
      Number(note.split(":")[1]),
    );
    expect(order).toEqual([...order].sort((a, b) => a - b));
  }
}, 120_000);

test("a handler module that keeps its thread busy while it is loaded stops the start with a sentence", async () => {
  const folder = new HandlerFolder(
    dir,
    'import { threadName } from "node:worker_threads"; if (threadName === "lane.batch") for (;;); export default { topics: "a", handle() {} };',
  );
  await expect(start(folder, { ESC_HANDLER_STALL_MS: "1000" })).rejects.toThrow(
    "kept the thread busy for more than 10000 ms",
  );
});

import { rmSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { LetterJson, SummaryJson } from "../letter-json.ts";
import { HandlerFolder } from "../testing/handlers.fixture.ts";
import { connect, finish, plainFrame, writeAll } from "../testing/plain-frames.fixture.ts";
import { accountedFor, esc, ServerProcess, temporaryDirectory } from "../testing/server-process.fixture.ts";

let dir: string;
let server: ServerProcess;

/** Fails on what says "bad", in a first version; takes everything in a second. */
const handler = (fails: boolean) =>
  `export default { topics: ">", handle(event) {
    if (${fails} && event.text().startsWith("bad")) throw new Error("on purpose\\n  with two lines");
    note(event.text() + " " + event.attempt);
  } };`;
const ONE_ATTEMPT = "processing: { retry: { attempts: 1 } }\n";

beforeEach(async () => {
  dir = temporaryDirectory();
  const folder = new HandlerFolder(dir, handler(true), ONE_ATTEMPT);
  server = await ServerProcess.start({ args: folder.args });
  const socket = await connect(server.tcpPort);
  const frames = [
    plainFrame(2, "order.a", "bad 1"),
    plainFrame(2, "order.b", "good"),
    plainFrame(4, "user.a", "bad 2"),
    plainFrame(0, "order.c", "bad 3"),
  ];
  await writeAll(socket, Buffer.concat(frames));
  await finish(socket);
  await server.statsWhen((s) => accountedFor(s) === 4);
  // The dead letters' log is synced at an interval.
  await listed((letters) => letters.length === 3);
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

async function dlq(...args: readonly string[]) {
  const [action, ...rest] = args;
  return await esc("dlq", action as string, server.dataDir, ...rest);
}

async function list(...args: readonly string[]): Promise<SummaryJson[]> {
  const { code, stdout, stderr } = await dlq("list", "--json", ...args);
  expect([code, stderr]).toEqual([0, ""]);
  return (JSON.parse(stdout) as { letters: SummaryJson[] }).letters;
}

async function listed(satisfied: (letters: readonly SummaryJson[]) => boolean): Promise<void> {
  for (let tries = 0; tries < 50; tries++) if (satisfied(await list())) return;
  throw new Error("the dead letters are not listed");
}

async function post(
  path: string,
  body: string,
  headers: Record<string, string> = { "Content-Type": "application/json" },
) {
  const url = `http://127.0.0.1:${server.httpPort}/api/v1/dead-letters/${path}`;
  const response = await fetch(url, { method: "POST", headers, body });
  return { status: response.status, body: (await response.json()) as { code?: string } };
}

const texts = async () => {
  const letters = await list("--all");
  const shown = await Promise.all(
    letters.map(async ({ number }) => (await dlq("show", String(number), "--json")).stdout),
  );
  return shown.map((json) => (JSON.parse(json) as LetterJson).payload);
};

test("while the server runs: list with filters and pages, show whole, over HTTP", async () => {
  const all = await list();
  expect(all.map(({ topic, lane, reason, attempts, state }) => [topic, lane, reason, attempts, state]).sort()).toEqual([
    ["order.a", "transactional", "handler_failed", 1, "waiting"],
    ["order.c", "batch", "handler_failed", 1, "waiting"],
    ["user.a", "realtime", "handler_failed", 1, "waiting"],
  ]);
  expect((await list("--topic", "order.*")).map(({ topic }) => topic).sort()).toEqual(["order.a", "order.c"]);
  expect(await list("--reason", "handler_timeout")).toEqual([]);
  expect((await list("--lane", "realtime")).map(({ topic }) => topic)).toEqual(["user.a"]);
  const [first] = await list("--limit", "1");
  const rest = await list("--after", String(first?.number));
  expect(rest).toHaveLength(2);
  const shown = await dlq("show", String(all[0]?.number));
  expect(shown.stdout).toContain("on purpose");
  expect(shown.stdout).toMatch(/payload\n {2}bad \d/);
  const plain = await dlq("list");
  expect(plain.stdout).toMatch(/^#1 .* handler_failed after 1: Error: on purpose\n/m);
  expect((await texts()).sort()).toEqual(["bad 1", "bad 2", "bad 3"]);
});

test("while the server runs: a retry goes through the lane once more and counts; it isn't done twice; purge removes the rest", async () => {
  const [first] = await list("--lane", "transactional");
  const number = String(first?.number);
  const retried = await dlq("retry", number, "--json");
  expect([retried.code, JSON.parse(retried.stdout)]).toEqual([0, { retried: [Number(number)], refused: [] }]);
  const stats = await server.statsWhen((s) => s.retried === 1 && s.inFlight === 0);
  // It fails again, and is another dead letter.
  expect(stats).toMatchObject({ accepted: 5, retried: 1, deadLettered: 4, inFlight: 0 });
  const again = await dlq("retry", number);
  expect([again.code, again.stdout]).toEqual([1, `0 retried\n#${number} not retried: it was retried before\n`]);
  await listed((letters) => letters.length === 3);
  const [second] = (await list("--lane", "transactional")).map((letter) => letter.number);
  const shown = JSON.parse((await dlq("show", String(second), "--json")).stdout) as LetterJson;
  expect(shown.metadata).toMatchObject({ "dl.retried": number, "dl.retried.reason": "handler_failed" });
  const purged = await dlq("purge", "--topic", "order.>");
  expect([purged.code, purged.stdout]).toEqual([0, "2 purged\n"]);
  expect((await list()).map(({ topic }) => topic)).toEqual(["user.a"]);
  expect((await list("--all")).map(({ state }) => state).sort()).toEqual(["purged", "purged", "retried", "waiting"]);
});

test("without a server: on the directory, under its lock; what is retried is handled after the next start", async () => {
  expect(await server.stop()).toBe(0);
  expect((await list()).map(({ topic }) => topic).sort()).toEqual(["order.a", "order.c", "user.a"]);
  const retried = await dlq("retry", "--topic", "order.*");
  expect([retried.code, retried.stdout]).toEqual([0, "2 retried\n"]);
  expect((await dlq("purge", "--all")).stdout).toBe("1 purged\n");
  expect((await dlq("retry", "--all")).stdout).toBe("0 retried\n");
  const { stdout } = await esc("log", "verify", server.dataDir, "--json");
  expect(JSON.parse(stdout)).toMatchObject({ sound: true });
  const folder = new HandlerFolder(dir, handler(false), ONE_ATTEMPT);
  await using next = await ServerProcess.start({ args: folder.args, dataDir: server.dataDir });
  const stats = await next.statsWhen((s) => s.processed === 2);
  expect(stats).toMatchObject({ accepted: 0, replayed: 2, processed: 2, inFlight: 0 });
  expect(folder.notes().slice(1).sort()).toEqual(["bad 1 1", "bad 3 1"]);
  expect(await next.stop()).toBe(0);
});

test("what would change everything must be said, and from this machine, by no page in a browser", async () => {
  for (const args of [
    ["retry"],
    ["purge"],
    ["purge", "--limit", "3"],
    ["show"],
    ["show", "1", "2"],
    ["empty"],
    ["list", "--topic", "a.>.b"],
  ]) {
    expect([args, (await dlq(...args)).code]).toEqual([args, 2]);
  }
  expect(await post("purge", "{}")).toMatchObject({ status: 400, body: { code: "ESC_DLQ_QUERY" } });
  expect(await post("purge", '{"numbers":[]}')).toMatchObject({ status: 400 });
  expect(await post("purge", '{"every":true,"topics":"a"}')).toMatchObject({ status: 400 });
  expect(await post("purge", "every")).toMatchObject({ status: 400, body: { code: "ESC_HTTP_CONTENT" } });
  expect(await post("purge", '{"every":true}', { "Content-Type": "text/plain" })).toMatchObject({ status: 400 });
  expect(
    await post("purge", '{"every":true}', { "Content-Type": "application/json", Origin: "http://evil.example" }),
  ).toMatchObject({ status: 403, body: { code: "ESC_HTTP_FORBIDDEN" } });
  const get = async (path: string) =>
    (await fetch(`http://127.0.0.1:${server.httpPort}/api/v1/dead-letters${path}`)).status;
  expect([await get("/99"), await get("/x"), await get("?limit=0"), await get("?topics=a")]).toEqual([
    404, 404, 400, 400,
  ]);
  expect(await list()).toHaveLength(3);
});

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConsumerGroups } from "@esc/storage";
import { expect, test } from "vitest";
import type { LogStats } from "./log-upkeep.ts";
import { Answers, connect, finish, plainFrame, writeAll } from "./testing/plain-frames.fixture.ts";
import { esc, ServerProcess } from "./testing/server-process.fixture.ts";

const ACK = 0x20;
const SMALL_SEGMENTS = { ESC_STORAGE_SEGMENT_BYTES: "64KiB", ESC_STORAGE_RETENTION_CHECK_INTERVAL_MS: "100" };

async function send(server: ServerProcess, count: number, priority = 2): Promise<void> {
  const socket = await connect(server.tcpPort);
  const answers = new Answers(socket);
  const frames = Array.from({ length: count }, (_, i) =>
    plainFrame(priority | ACK, "a.b", String(i).padStart(200, ".")),
  );
  await writeAll(socket, Buffer.concat(frames));
  await answers.until(() => answers.durable === count);
  await finish(socket);
}

const page = async (server: ServerProcess, path: string) => {
  const response = await fetch(`http://127.0.0.1:${server.httpPort}${path}`);
  return { status: response.status, body: await response.text() };
};

const log = (stats: { logs: Readonly<Record<string, LogStats>> }, name: string) => stats.logs[name] as LogStats;

test("a log is cut back to its limit while events come in, never past a group that is behind; stats, metrics and readiness tell", async () => {
  await using server = await ServerProcess.start({
    env: { ...SMALL_SEGMENTS, ESC_STORAGE_RETENTION_TRANSACTIONAL_MAX_EVENTS: "1000" },
  });
  const groups = new ConsumerGroups({ dataDir: server.dataDir, lane: "transactional" });
  const cursor = await groups.open("billing", 1);
  // In pieces that fit several times into a segment: what is written at once stays in one.
  for (let piece = 0; piece < 30; piece++) await send(server, 100);
  const held = log(await server.statsWhen((s) => log(s, "transactional").heldBack), "transactional");
  expect(held).toMatchObject({ firstSequence: 1, deletedSegments: 0, groups: [{ group: "billing", nextSequence: 1 }] });
  const ready = await page(server, "/readyz");
  expect([ready.status, JSON.parse(ready.body).checks.retention]).toEqual([
    200,
    "transactional: over its limit, kept for a consumer behind",
  ]);
  await cursor.write(3_001);
  const stats = await server.statsWhen(
    (s) => log(s, "transactional").deletedEvents >= 2_000 && log(s, "transactional").groups[0]?.lag === 0,
  );
  const cut = log(stats, "transactional");
  expect(cut.firstSequence).toBe(cut.deletedEvents + 1);
  expect(cut).toMatchObject({ heldBack: false, groups: [{ group: "billing", nextSequence: 3_001, lag: 0 }] });
  const { body } = await page(server, "/metrics");
  expect(body).toContain(`esc_log_deleted_events_total{log="transactional"} ${cut.deletedEvents}`);
  expect(body).toContain('esc_group_lag_events{log="transactional",group="billing"} 0');
  await send(server, 100);
  expect(await server.stop()).toBe(0);
  const { code, stdout } = await esc("log", "verify", server.dataDir, "--json");
  const [lane] = (JSON.parse(stdout) as { lanes: { firstSequence: number; lastSequence: number }[] }).lanes;
  expect([code, lane?.firstSequence, lane?.lastSequence]).toEqual([0, cut.firstSequence, 3_100]);
});

test("a disk that takes no more: nothing is acknowledged, readiness and stats say why; with space it goes on by itself", async () => {
  await using server = await ServerProcess.start({ env: { ESC_STORAGE_PREALLOCATE_BYTES: "0" } });
  await send(server, 100);
  // No file of the process may grow beyond this: what a full disk does, and can be taken back.
  const limit = (bytes: string) => spawnSync("prlimit", ["--pid", String(server.child.pid), `--fsize=${bytes}`]).status;
  expect(limit("40000:unlimited")).toBe(0);
  const socket = await connect(server.tcpPort);
  const answers = new Answers(socket);
  await writeAll(
    socket,
    Buffer.concat(Array.from({ length: 500 }, (_, i) => plainFrame(2 | ACK, "a.b", String(i).padStart(200, ".")))),
  );
  const stats = await server.statsWhen((s) => log(s, "transactional").state === "waiting");
  expect(log(stats, "transactional")).toMatchObject({ state: "waiting", error: expect.stringContaining("EFBIG") });
  const ready = await page(server, "/readyz");
  expect([ready.status, JSON.parse(ready.body).checks.log]).toEqual([
    503,
    expect.stringMatching(/^transactional: waiting: .*a write failed/),
  ]);
  expect((await page(server, "/metrics")).body).toContain('esc_log_state{log="transactional"} 1');
  expect(answers.durable).toBe(0);
  expect(limit("unlimited:unlimited")).toBe(0);
  await answers.until(() => answers.durable === 500);
  expect((await page(server, "/readyz")).status).toBe(200);
  expect(log(await server.stats(), "transactional")).toMatchObject({ state: "writing" });
  await finish(socket);
  expect(await server.stop()).toBe(0);
  expect(JSON.parse((await esc("log", "verify", server.dataDir, "--json")).stdout)).toMatchObject({
    sound: true,
    events: 600,
  });
});

test("stopped while the disk takes no more: what is lost is said by log and number, the exit code is 1, what was acknowledged is there", async () => {
  await using server = await ServerProcess.start({
    env: { ESC_STORAGE_PREALLOCATE_BYTES: "0", ESC_SHUTDOWN_GRACE_MS: "1500" },
  });
  await send(server, 100);
  expect(spawnSync("prlimit", ["--pid", String(server.child.pid), "--fsize=40000:unlimited"]).status).toBe(0);
  const socket = await connect(server.tcpPort);
  socket.on("error", () => undefined);
  const answers = new Answers(socket);
  const frames = (count: number, control: number) =>
    Array.from({ length: count }, (_, i) => plainFrame(control, "a.b", String(i).padStart(200, ".")));
  await writeAll(socket, Buffer.concat([...frames(300, 2), ...frames(250, 4)]));
  await server.statsWhen(
    (s) => log(s, "transactional").state === "waiting" && log(s, "realtime").state === "waiting" && s.accepted === 650,
  );
  expect(await server.stop()).toBe(1);
  expect(answers.durable).toBe(0);
  const { stdout } = await esc("log", "verify", server.dataDir, "--json");
  const { sound, lanes } = JSON.parse(stdout) as { sound: boolean; lanes: { lane: string; records: number }[] };
  expect(sound).toBe(true);
  const stored = (lane: string) => lanes.find((each) => each.lane === lane)?.records ?? 0;
  expect(stored("transactional")).toBeGreaterThanOrEqual(100);
  const lost = server.lines.filter((line) => "lostAtStop" in line);
  expect(lost).toMatchObject([
    { level: 50, lane: "realtime", lostAtStop: 250 - stored("realtime"), reason: expect.stringContaining("EFBIG") },
    { lane: "transactional", lostAtStop: 400 - stored("transactional"), firstSequence: stored("transactional") + 1 },
  ]);
});

test("damage in the middle: the server starts, its segment is quarantined, and readiness, stats and metrics tell", async () => {
  const first = await ServerProcess.start({ env: SMALL_SEGMENTS });
  const { dataDir } = first;
  await send(first, 1_000);
  expect(await first.stop()).toBe(0);
  const dir = join(dataDir, "log", "transactional");
  const name = readdirSync(dir)
    .sort()
    .find((each) => each.endsWith(".log")) as string;
  const bytes = readFileSync(join(dir, name));
  bytes[1_000] = (bytes[1_000] as number) ^ 1;
  writeFileSync(join(dir, name), bytes.subarray(0, -8));
  await using server = await ServerProcess.start({ dataDir, env: SMALL_SEGMENTS });
  const ready = await page(server, "/readyz");
  expect([ready.status, JSON.parse(ready.body).checks.recovery]).toEqual([
    200,
    // The last event is known to be missing where another segment, or the lane's cursor, had come behind it.
    expect.stringMatching(/^transactional: 2 damaged places, quarantined(, 1 events missing)?; see esc log verify/),
  ]);
  expect(log(await server.stats(), "transactional")).toMatchObject({ damagedPlaces: 2 });
  expect((await page(server, "/metrics")).body).toContain('esc_log_damaged_places{log="transactional"} 2');
  expect(readdirSync(dir)).toContain(name.replace(".log", ".quarantine"));
  await send(server, 10);
  expect(await server.stop()).toBe(0);
});

test("damage is told after further starts too, once its segment is no longer the last", async () => {
  const first = await ServerProcess.start();
  const { dataDir } = first;
  await send(first, 1_000);
  expect(await first.stop()).toBe(0);
  const dir = join(dataDir, "log", "transactional");
  const name = readdirSync(dir).find((each) => each.endsWith(".log")) as string;
  const bytes = readFileSync(join(dir, name));
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] as number) ^ 1;
  writeFileSync(join(dir, name), bytes);
  for (let start = 1; start <= 2; start++) {
    const server = await ServerProcess.start({ dataDir });
    const ready = await page(server, "/readyz");
    expect([start, ready.status, JSON.parse(ready.body).checks.recovery]).toEqual([
      start,
      200,
      expect.stringMatching(/^transactional: 1 damaged places, quarantined; see esc log verify/),
    ]);
    expect((await page(server, "/metrics")).body).toContain('esc_log_damaged_places{log="transactional"} 1');
    await send(server, 10);
    expect(await server.stop()).toBe(0);
    expect((await esc("log", "verify", dataDir)).code).toBe(1);
  }
  await using last = await ServerProcess.start({ dataDir });
  expect(log(await last.stats(), "transactional").damagedPlaces).toBe(1);
});

test("a second server on the same directory is refused with the owner's pid", async () => {
  await using server = await ServerProcess.start();
  const second = await ServerProcess.start({ dataDir: server.dataDir }).then(
    () => "started",
    (error: Error) => error.message,
  );
  expect(second).toContain(`is in use by the process with pid ${server.child.pid}`);
});

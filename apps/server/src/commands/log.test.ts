import { spawn } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Arena } from "@esc/arena";
import { createCrcTable, encodeMetadata } from "@esc/events";
import { RecordRing } from "@esc/queues";
import { runAddress } from "@esc/queues/kernel";
import { ConsumerGroups, encodeDeadLetter } from "@esc/storage";
import { afterAll, beforeAll, expect, test } from "vitest";
import { esc, temporaryDirectory } from "../testing/server-process.fixture.ts";

interface Event {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly id?: Uint8Array;
  readonly metadata?: Uint8Array;
}

const ID = Buffer.from("00112233445566778899aabbccddeeff", "hex");
const BATCH: readonly Event[] = [
  { topic: "order.created", payload: "first" },
  { topic: "order/paid", payload: '{"amount":1}', id: ID },
  { topic: "user.created", payload: Buffer.from([0, 255, 1]) },
  { topic: "order.item.added", payload: "\u001b[2J", metadata: encodeMetadata([["trace", Buffer.from("abc")]]) },
];

let dir: string;
beforeAll(() => {
  dir = temporaryDirectory();
  writeLog(dir, "batch", BATCH);
  writeLog(dir, "realtime", [{ topic: "alert", payload: "now" }]);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Writes a lane's segment as the server does; returns its path. */
function writeLog(dataDir: string, lane: string, events: readonly Event[]): string {
  const arena = Arena.create({ bytes: 1 << 21 });
  createCrcTable(arena);
  const ring = RecordRing.create(arena, "records", { capacityBytes: 1 << 19 });
  const consumer = ring.consumer();
  const producer = ring.appender("producer");
  const path = join(dataDir, "log", lane, "00000000000000000001.log");
  mkdirSync(join(dataDir, "log", lane), { recursive: true });
  writeFileSync(path, "");
  for (const event of events) {
    producer.append({
      ...event,
      topic: Buffer.from(event.topic),
      payload: Buffer.from(event.payload as string),
      priority: 2,
      source: 1,
      timeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
      timeNs: 7,
    });
    consumer.next(1);
    appendFileSync(path, new Uint8Array(arena.memory.buffer, runAddress(consumer), consumer.runBytes));
    consumer.release(consumer.runEnd, 1);
  }
  return path;
}

test("cat prints a line for each event: time, lane and sequence, priority, topic, id, payload", async () => {
  const { code, stdout } = await esc("log", "cat", dir, "--lane", "batch");
  expect(code).toBe(0);
  const time = "2026-01-02T03:04:05.006000007Z";
  expect(stdout.split("\n")).toEqual([
    `${time} batch#1 MEDIUM order.created first`,
    `${time} batch#2 MEDIUM order/paid id=00112233445566778899aabbccddeeff {"amount":1}`,
    `${time} batch#3 MEDIUM user.created 0x00ff01`,
    // What would drive the terminal is shown as bytes.
    `${time} batch#4 MEDIUM order.item.added 0x1b5b324a`,
    "",
  ]);
});

test("cat --json prints an object for each event, bytes that aren't UTF-8 as base64", async () => {
  const { stdout } = await esc("log", "cat", dir, "--lane", "batch", "--json");
  const events = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(events[1]).toEqual({
    lane: "batch",
    sequence: 2,
    time: "2026-01-02T03:04:05.006000007Z",
    priority: "MEDIUM",
    source: "tcp",
    topic: "order/paid",
    id: ID.toString("hex"),
    payload: '{"amount":1}',
  });
  expect(events[2]).toMatchObject({ payloadBase64: "AP8B" });
  expect(events[3]).toMatchObject({ payload: "\u001b[2J", metadata: { trace: "abc" } });
});

test.each([
  { options: ["--topic", "order.*"], sequences: ["batch#1"] },
  { options: ["--topic", "order/*"], sequences: ["batch#2"] },
  { options: ["--topic", "order.>"], sequences: ["batch#1", "batch#4"] },
  { options: ["--from", "3", "--lane", "batch"], sequences: ["batch#3", "batch#4"] },
  {
    options: ["--from-time", "2026-01-02T03:04:05.006Z"],
    sequences: ["batch#1", "batch#2", "batch#3", "batch#4", "realtime#1"],
  },
  { options: ["--from-time", String(Date.UTC(2026, 0, 2, 3, 4, 5, 7))], sequences: [] },
  { options: ["--limit", "1"], sequences: ["batch#1", "realtime#1"] },
  { options: ["--limit", "0"], sequences: [] },
  { options: ["--lane", "dead-letters"], sequences: [] },
])("cat $options shows $sequences", async ({ options, sequences }) => {
  const { code, stdout } = await esc("log", "cat", dir, ...options);
  expect([code, stdout.match(/[a-z]+#\d+/g) ?? []]).toEqual([0, sequences]);
});

test("a reader that has enough of cat ends it without a word", async () => {
  const large = temporaryDirectory();
  writeLog(
    large,
    "batch",
    Array.from({ length: 20_000 }, (_, i) => ({ topic: "a.b", payload: `event ${i}` })),
  );
  const cli = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
  const child = spawn(process.execPath, [cli, "log", "cat", large], { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  child.stdout.once("data", () => child.stdout.destroy());
  const code = await new Promise((resolve) => child.once("exit", resolve));
  expect([code, errors]).toEqual([0, ""]);
  rmSync(large, { recursive: true });
});

test("stat tells segments, bytes, sequences and times of each lane", async () => {
  const { code, stdout } = await esc("log", "stat", dir);
  expect(code).toBe(0);
  expect(stdout).toContain("batch: 1 segments, ");
  expect(stdout).toContain("sequences 1 to 4, 2026-01-02T03:04:05.006Z to 2026-01-02T03:04:05.006Z");
  const { lanes } = JSON.parse((await esc("log", "stat", dir, "--json")).stdout) as { lanes: object[] };
  expect(lanes).toMatchObject([
    { lane: "batch", segments: 1, firstSequence: 1, lastSequence: 4 },
    { lane: "realtime", segments: 1, firstSequence: 1, lastSequence: 1 },
  ]);
});

test("stat goes by the indexes, and tells of segments that are quarantined", async () => {
  const data = temporaryDirectory();
  const path = writeLog(data, "batch", BATCH);
  writeFileSync(path.replace(".log", ".quarantine"), "");
  expect((await esc("log", "stat", data)).stdout).toContain(", 1 segments quarantined");
  rmSync(data, { recursive: true });
});

test("groups tells how far each consumer group has come, and how far it is behind", async () => {
  const data = temporaryDirectory();
  writeLog(data, "batch", BATCH);
  expect((await esc("log", "groups", data)).stdout).toBe("no consumer groups\n");
  const groups = new ConsumerGroups({ dataDir: data, lane: "batch" });
  await groups.open("billing", 3);
  writeFileSync(join(data, "groups", "batch", "audit"), "?");
  const { code, stdout } = await esc("log", "groups", data);
  expect([code, stdout.split("\n")]).toEqual([
    0,
    [
      "batch audit: broken cursor (it isn't a sequence and its CRC-32), 4 events behind",
      "batch billing: next is 3, 2 events behind",
      "",
    ],
  ]);
  expect(JSON.parse((await esc("log", "groups", data, "--json")).stdout)).toMatchObject({
    groups: [
      { lane: "batch", group: "audit", lag: 4, state: "broken" },
      { lane: "batch", group: "billing", nextSequence: 3, lag: 2, state: "known" },
    ],
  });
  rmSync(data, { recursive: true });
});

test("a dead letter is shown with why it is one", async () => {
  const data = temporaryDirectory();
  const letter = { lane: "realtime", sequence: 9, reason: "handler_failed", error: "Error: boom\n  at x", attempts: 2 };
  const times = { firstAtMs: 1, lastAtMs: 2 };
  const metadata = encodeDeadLetter({ ...letter, ...times }, new Map());
  writeLog(data, "dead-letters", [{ topic: "a", payload: "b", metadata }]);
  expect((await esc("log", "cat", data)).stdout).toContain(
    "dead-letters#1 MEDIUM a [realtime#9 handler_failed, 2 attempts: Error: boom] b",
  );
  expect(JSON.parse((await esc("log", "cat", data, "--json")).stdout)).toMatchObject({
    deadLetter: { ...letter, ...times },
  });
  rmSync(data, { recursive: true });
});

test("verify: a sound log and one with a torn tail end with 0 and say so; damage ends with 1 and names file and byte", async () => {
  const data = temporaryDirectory();
  const path = writeLog(data, "batch", BATCH);
  const whole = readFileSync(path);
  expect(await esc("log", "verify", data)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("sound: 4 events"),
  });

  writeFileSync(path, whole.subarray(0, whole.length - 5));
  const torn = await esc("log", "verify", data);
  expect(torn).toMatchObject({ code: 0, stdout: expect.stringContaining("unfinished at its end") });

  const damaged = Buffer.from(whole);
  damaged[50] = (damaged[50] as number) ^ 1;
  writeFileSync(path, damaged);
  const found = await esc("log", "verify", data);
  expect(found.code).toBe(1);
  expect(found.stdout).toContain(`${path} at byte 0: the CRC-32 doesn't fit`);
  const { sound, lanes } = JSON.parse((await esc("log", "verify", data, "--json")).stdout) as {
    sound: boolean;
    lanes: { segments: { damage: object[] }[] }[];
  };
  expect(sound).toBe(false);
  expect(lanes[0]?.segments[0]?.damage).toMatchObject([{ path, offset: 0, missingFrom: 1, missingTo: 1 }]);

  // What is whole is shown, what isn't is told, and a script learns of it.
  const shown = await esc("log", "cat", data);
  expect([shown.code, shown.stdout.match(/batch#\d/g)]).toEqual([1, ["batch#2", "batch#3", "batch#4"]]);
  expect(shown.stderr).toContain("can't be read from byte 0 on");
  rmSync(data, { recursive: true });
});

test.each([
  ["look", "."],
  ["cat", ".", "--lane", "slow"],
  ["cat", ".", "--from", "0"],
  ["cat", ".", "--limit", "many"],
  ["cat", ".", "--from-time", "yesterday"],
  ["cat", ".", "--from", "1", "--from-time", "0"],
])("log %s %s %s %s is wrong usage: exit code 2, and what is right is told", async (...args) => {
  const { code, stderr } = await esc("log", ...args.map((arg) => (arg === "." ? dir : arg)));
  expect(code).toBe(2);
  expect(stderr).toMatch(
    /there is verify|--lane takes|--from takes|--limit takes|--from-time takes|exclude each other/,
  );
});

test("a topic pattern that is none is told", async () => {
  const { code, stderr } = await esc("log", "cat", dir, "--topic", "a.>.b");
  expect(code).toBe(2);
  expect(stderr).toContain('--topic "a.>.b" is no topic pattern');
});

import type { Socket } from "node:net";
import { expect, test } from "vitest";
import type { Stats } from "./stats.ts";
import { Answers, connect, finish, plainFrame, writeAll } from "./testing/plain-frames.fixture.ts";
import { accountedFor, esc, ServerProcess } from "./testing/server-process.fixture.ts";

const ACK = 0x20;

test("a connection that asks hears that its frames are durable; one that doesn't hears nothing", async () => {
  await using server = await ServerProcess.start();
  const asking = await connect(server.tcpPort);
  const silent = await connect(server.tcpPort);
  const answers = new Answers(asking);
  const unwanted = new Answers(silent);
  for (let i = 0; i < 10; i++) {
    await writeAll(asking, plainFrame((i % 5) | ACK, "order.created", `event ${i}`));
    await writeAll(silent, plainFrame(i % 5, "order.created", `event ${i}`));
  }
  await answers.until(() => answers.durable === 10);
  expect(answers.all.every(({ kind }) => kind === 1)).toBe(true);
  await finish(silent);
  expect(unwanted.all).toEqual([]);
  const stats = await server.stats();
  expect(stats.lanes.transactional.cursors.durableSequence).toBeGreaterThan(4);
});

test("a refused frame is named by its number, with code and reason, and the frames around it are acknowledged", async () => {
  await using server = await ServerProcess.start();
  const socket = await connect(server.tcpPort);
  const answers = new Answers(socket);
  const bad = plainFrame(7 | ACK, "order.created", "priority 7");
  await writeAll(socket, Buffer.concat([plainFrame(2 | ACK, "a", "1"), bad, plainFrame(2 | ACK, "a", "3")]));
  await answers.until(() => answers.durable === 3);
  expect(answers.all.filter(({ kind }) => kind === 2)).toEqual([
    { kind: 2, n: 2, code: 3, text: "the priority must be 0 to 4" },
  ]);
  expect((await server.stats()).refused.priority).toBe(1);
});

test("an acknowledgement covers what its connection sent before without asking, though that lane's sync is far off", async () => {
  await using server = await ServerProcess.start({ env: { ESC_STORAGE_SYNC_INTERVAL_MS: "60000" } });
  const socket = await connect(server.tcpPort);
  const answers = new Answers(socket);
  await writeAll(socket, Buffer.concat(Array.from({ length: 10 }, (_, n) => plainFrame(0, "report", String(n)))));
  await server.statsWhen((s) => s.stored === 10);
  // Goes into no lane: an empty topic, and asks.
  await writeAll(socket, plainFrame(2 | ACK, "", ""));
  await answers.until(() => answers.durable > 0);
  const { lanes } = await server.stats();
  expect([answers.durable, lanes.batch.cursors.durableSequence]).toEqual([11, 11]);
  await finish(socket);
});

test("a client that has sent its end still gets what it is owed, then the server's end", async () => {
  await using server = await ServerProcess.start();
  const socket = await connect(server.tcpPort);
  const answers = new Answers(socket);
  // BATCH syncs at an interval unless an acknowledgement waits: the answer must not wait for it.
  await writeAll(socket, plainFrame(0 | ACK, "report.daily", "x"));
  await finish(socket);
  expect(answers.durable).toBe(1);
});

test("a length over the limit is told with code 8, after what came before is acknowledged, and ends the connection", async () => {
  await using server = await ServerProcess.start();
  const socket = await connect(server.tcpPort);
  const answers = new Answers(socket);
  await writeAll(
    socket,
    Buffer.concat([plainFrame(2 | ACK, "a", "1"), Buffer.from([0x7f, 0xff, 0xff, 0xff, 1, 2, 3])]),
  );
  await new Promise((resolve) => socket.once("close", resolve));
  expect(answers.durable).toBe(1);
  expect(answers.all.find(({ kind }) => kind === 2)).toMatchObject({ n: 2, code: 8 });
});

test("esc send says that an event is over the limit, with and without --ack, and its exit code isn't 0", async () => {
  await using server = await ServerProcess.start();
  const send = (...args: string[]) => esc("send", "--port", String(server.tcpPort), "--size", "2000000", ...args);
  for (const count of ["1", "20"]) {
    const silent = await send("--count", count);
    expect([count, silent.code]).toEqual([count, 1]);
    expect(silent.stderr).toContain("A frame of 2000014 bytes is over a server's limit");
    const asking = await send("--count", count, "--ack");
    expect(asking.code).not.toBe(0);
    expect(asking.stderr).toContain("1 refused: tooLarge");
  }
  expect((await server.stats()).refused.tooLarge).toBe(4);
});

test("a frame that arrives byte by byte is taken whole", async () => {
  await using server = await ServerProcess.start();
  const socket = await connect(server.tcpPort);
  const answers = new Answers(socket);
  const bytes = Buffer.concat([plainFrame(3 | ACK, "slow.client", "abc"), plainFrame(1 | ACK, "slow.client", "def")]);
  for (const byte of bytes) {
    await writeAll(socket, Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await answers.until(() => answers.durable === 2);
  await finish(socket);
});

test("the largest frame is taken, in pieces of any size", async () => {
  await using server = await ServerProcess.start();
  const socket = await connect(server.tcpPort);
  const answers = new Answers(socket);
  const largest = plainFrame(2 | ACK, "big", Buffer.alloc(1_048_576 - 3 - 3, 7));
  expect(largest.length).toBe(4 + 1_048_576);
  await writeAll(socket, Buffer.concat([largest, largest, plainFrame(2 | ACK, "small", "x")]));
  await answers.until(() => answers.durable === 3);
  await finish(socket);
  expect((await server.stats()).accepted).toBe(3);
});

test("clients that vanish in the middle of everything leave no connection and no doubt behind", async () => {
  await using server = await ServerProcess.start();
  const whole = plainFrame(2 | ACK, "order.created", "x".repeat(100));
  for (let i = 0; i < 200; i++) {
    const socket = await connect(server.tcpPort);
    socket.on("error", () => undefined);
    const frames = Buffer.concat(Array.from({ length: 50 }, () => whole));
    socket.write(frames.subarray(0, frames.length - (i % whole.length)));
    if (i % 2 === 0) socket.resetAndDestroy();
    else socket.destroy();
  }
  const stats = await server.statsWhen(
    (s) => s.connections.open === 0 && accountedFor(s) === s.accepted && s.stored === s.accepted,
  );
  expect(stats.connections.open).toBe(0);
  expect(accountedFor(stats)).toBe(stats.accepted);
  expect(stats.stored).toBe(stats.accepted);
});

test("a client that sends and never reads its answers is read no further, and harms nobody", async () => {
  await using server = await ServerProcess.start({ env: { ESC_INGESTION_TCP_ACKBUFFERBYTES: "4KiB" } });
  const greedy = await connect(server.tcpPort);
  greedy.on("error", () => undefined);
  greedy.pause();
  const refused = Buffer.concat(Array.from({ length: 2_000 }, () => plainFrame(7 | ACK, "a", "")));
  let written = 0;
  while (greedy.write(refused) && written < 100) written++;
  for (let i = 0; i < 200 && !greedy.writableNeedDrain; i++) {
    greedy.write(refused);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const polite = await connect(server.tcpPort);
  const answers = new Answers(polite);
  await writeAll(polite, plainFrame(2 | ACK, "a", "1"));
  await answers.until(() => answers.durable === 1);
  expect(await server.residentBytes()).toBeLessThan(400 * 1_048_576);
  greedy.destroy();
  await finish(polite);
});

test("one connection over the limit is closed at once and counted", async () => {
  await using server = await ServerProcess.start({ env: { ESC_INGESTION_TCP_MAXCONNECTIONS: "2" } });
  const first = await connect(server.tcpPort);
  const second = await connect(server.tcpPort);
  await server.statsWhen((s) => s.connections.open === 2);
  const third = await connect(server.tcpPort);
  third.on("error", () => undefined);
  await new Promise((resolve) => third.once("close", resolve));
  expect((await server.stats()).connections.refused).toBe(1);
  first.destroy();
  second.destroy();
});

test("a frame that has begun and gets no further ends its connection, and only its own", async () => {
  await using server = await ServerProcess.start({ env: { ESC_INGESTION_TCP_FRAMETIMEOUTMS: "200" } });
  const idle = await connect(server.tcpPort);
  const stalled = await connect(server.tcpPort);
  const closed = new Promise((resolve) => stalled.once("close", resolve));
  stalled.resume();
  await writeAll(stalled, plainFrame(2, "a", "x".repeat(100)).subarray(0, 50));
  await closed;
  const stats = await server.statsWhen((s) => s.connections.stalled === 1 && s.connections.open === 1);
  expect(stats.connections).toMatchObject({ stalled: 1, open: 1 });
  expect(stats.refused.truncated).toBe(1);
  await writeAll(idle, plainFrame(2, "a", "still here"));
  await finish(idle);
  expect((await server.statsWhen((s) => s.accepted === 1)).accepted).toBe(1);
});

test("a frame that trickles in is ended too: its time runs from its first byte, whatever comes", async () => {
  await using server = await ServerProcess.start({ env: { ESC_INGESTION_TCP_FRAMETIMEOUTMS: "300" } });
  const slow = await connect(server.tcpPort);
  let reset: NodeJS.ErrnoException | undefined;
  slow.on("error", (error) => {
    reset = error;
  });
  const closed = new Promise((resolve) => slow.once("close", resolve)).then(() => true);
  const frame = plainFrame(2, "a", "x".repeat(1_000));
  for (let at = 0; at < frame.length - 1 && !slow.destroyed; at++) {
    slow.write(frame.subarray(at, at + 1));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(await closed).toBe(true);
  expect((reset as NodeJS.ErrnoException).code).toMatch(/ECONNRESET|EPIPE/);
  const stats = await server.stats();
  expect([stats.connections.stalled, stats.refused.truncated, stats.accepted]).toEqual([1, 1, 0]);
});

test("three hundred connections with most of a large frame each: memory is bounded, those that began first give way, counted", async () => {
  await using server = await ServerProcess.start();
  const before = await server.residentBytes();
  const part = plainFrame(2, "a", Buffer.alloc(1_000_000)).subarray(0, 900_000);
  const sockets: Socket[] = [];
  for (let i = 0; i < 300; i++) {
    const socket = await connect(server.tcpPort);
    socket.on("error", () => undefined);
    sockets.push(socket);
    socket.write(part);
  }
  // As many as have room hold it; each of the others gave way.
  const held = (s: Stats) => s.connections.open;
  const stats = await server.statsWhen((s) => s.connections.shed > 0 && held(s) + s.connections.shed === 300, 60_000);
  expect(stats.connections.shed + stats.connections.open).toBe(300);
  expect(held(stats)).toBeLessThanOrEqual(Math.floor((64 * 1_048_576) / 900_000));
  expect(stats.refused.truncated).toBe(stats.connections.shed);
  expect((await server.residentBytes()) - before).toBeLessThan(200 * 1_048_576);
  for (const socket of sockets) socket.destroy();
  await server.statsWhen((s) => s.connections.open === 0);
  const again = await connect(server.tcpPort);
  await writeAll(again, Buffer.concat([part, Buffer.alloc(100_008)]));
  await finish(again);
  expect((await server.statsWhen((s) => s.accepted === 1)).accepted).toBe(1);
});

test("a connection without a byte for longer than allowed is ended; one that sends now and then is not", async () => {
  await using server = await ServerProcess.start({ env: { ESC_INGESTION_TCP_IDLETIMEOUTMS: "300" } });
  const idle = await connect(server.tcpPort);
  const busy = await connect(server.tcpPort);
  let ended = false;
  idle.resume();
  const closed = new Promise((resolve) => idle.once("close", resolve)).then(() => {
    ended = true;
  });
  for (let i = 0; i < 100 && !ended; i++) {
    await writeAll(busy, plainFrame(2, "a", "x"));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await closed;
  expect(busy.closed).toBe(false);
  await finish(busy);
});

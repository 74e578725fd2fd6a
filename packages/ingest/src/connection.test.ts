import { AckDecoder, encodeFrame, type Priority } from "@esc/events";
import { expect, test } from "vitest";
import { type Connection, PendingAcks } from "./index.ts";
import { FakeSocket, IngestRig } from "./ingest-rig.fixture.ts";

function frames(count: number, priority: Priority, ack = false, payloadBytes = 200): Buffer {
  const frame = encodeFrame({ topic: "t", payload: Buffer.alloc(payloadBytes, 1), priority, ack });
  return Buffer.concat(Array.from({ length: count }, () => frame));
}

function answers(socket: FakeSocket) {
  return new AckDecoder().push(Buffer.concat(socket.written));
}

test("a full lane pauses the socket; space resumes it, and every frame is there once, in order", () => {
  const rig = new IngestRig();
  const socket = new FakeSocket();
  const connection = rig.connection(socket);
  expect(rig.read(connection, frames(800, 2))).toBe(false);
  expect([connection.blocked, socket.paused]).toEqual([true, true]);
  let seen = 0;
  while (connection.blocked) {
    for (const { sequence } of rig.take("transactional", 50)) expect(sequence).toBe(++seen);
    connection.retry();
  }
  seen += rig.take("transactional").length;
  expect([seen, socket.paused]).toEqual([800, false]);
});

test("a read that comes although the socket is paused is kept behind what waits", () => {
  const rig = new IngestRig();
  const connection = rig.connection(new FakeSocket());
  rig.read(connection, frames(800, 2));
  rig.read(connection, frames(100, 2).subarray(0, 1_000));
  rig.read(connection, frames(100, 2).subarray(1_000));
  let seen = 0;
  while (connection.blocked) {
    seen += rig.take("transactional").length;
    connection.retry();
  }
  expect(seen + rig.take("transactional").length).toBe(900);
});

test("a client that ends while a lane is full: its frames go in later, then its half is closed", () => {
  const rig = new IngestRig();
  const socket = new FakeSocket();
  const connection = rig.connection(socket);
  rig.read(connection, frames(400, 2));
  connection.end();
  expect([connection.blocked, socket.ended]).toEqual([true, false]);
  let seen = 0;
  while (connection.blocked) {
    seen += rig.take("transactional").length;
    connection.retry();
  }
  expect([seen + rig.take("transactional").length, socket.ended]).toEqual([400, true]);
});

test("an acknowledgement waits for every lane that the frames went to", () => {
  const rig = new IngestRig();
  const socket = new FakeSocket();
  const connection = rig.connection(socket);
  rig.read(connection, Buffer.concat([frames(1, 4, true), frames(1, 2, true), frames(1, 0, true)]));
  const ends = (["realtime", "transactional", "batch"] as const).map((lane) => rig.rings[lane].publishedPosition) as [
    number,
    number,
    number,
  ];
  connection.settle(ends[0], ends[1], ends[2] - 1);
  expect(socket.written).toEqual([]);
  expect(connection.owesAck).toBe(true);
  connection.settle(...ends);
  expect(answers(socket)).toEqual([{ kind: 1, n: 3, code: 0, text: "" }]);
  // The log was asked to sync the lanes that sync at an interval, too.
  expect(rig.rings.batch.syncTarget).toBe(ends[2]);
});

test("an acknowledgement covers frames of earlier reads that did not ask, also where the frame that asks is refused", () => {
  const rig = new IngestRig();
  const socket = new FakeSocket();
  const connection = rig.connection(socket);
  rig.read(connection, frames(10, 0));
  rig.read(connection, frames(1, 4));
  const { realtime, batch } = rig.rings;
  // An empty topic, and asks for an acknowledgement.
  rig.read(connection, Buffer.from([0, 0, 0, 3, 0x22, 0, 0]));
  expect(answers(socket)).toMatchObject([{ kind: 2, n: 12 }]);
  expect([realtime.syncTarget, batch.syncTarget]).toEqual([realtime.publishedPosition, batch.publishedPosition]);
  connection.settle(realtime.publishedPosition, 0, batch.publishedPosition - 1);
  connection.settle(realtime.publishedPosition - 1, 0, batch.publishedPosition);
  expect([connection.owesAck, answers(socket).length]).toEqual([true, 1]);
  connection.settle(realtime.publishedPosition, 0, batch.publishedPosition);
  expect(answers(socket)[1]).toMatchObject({ kind: 1, n: 12 });
});

test("a batch event that is dropped is refused to who asked, never acknowledged in silence", () => {
  const rig = new IngestRig();
  const socket = new FakeSocket();
  const connection = rig.connection(socket);
  rig.read(connection, frames(300, 0, true));
  const refused = answers(socket).filter(({ kind, code }) => kind === 2 && code === 10);
  expect(refused).toHaveLength(300 - Math.floor(65_536 / 240));
});

test("answers that nobody reads stop the reading, and go on when they are read", () => {
  const rig = new IngestRig();
  const socket = new FakeSocket();
  const connection = rig.connection(socket, 100);
  socket.waitingBytes = 101;
  expect(rig.read(connection, Buffer.from([0, 0, 0, 3, 0x27, 0, 1]))).toBe(false);
  expect(socket.paused).toBe(true);
  socket.waitingBytes = 0;
  connection.drained();
  expect(socket.paused).toBe(false);
});

test("a length over the limit ends the connection with a reset, what follows is thrown away", () => {
  const rig = new IngestRig();
  const socket = new FakeSocket();
  const connection = rig.connection(socket);
  expect(rig.read(connection, Buffer.from([0xff, 0xff, 0xff, 0xff, 1]))).toBe(true);
  expect([socket.wasReset, socket.written]).toEqual([true, []]);
  expect(rig.read(connection, frames(10, 2))).toBe(true);
  expect(rig.take("transactional")).toEqual([]);
  expect(rig.counters.value("refused.tooLarge")).toBe(1);
});

test("a frame over the limit that asks, as the first one, is told why before the connection ends, in pieces of any size", () => {
  for (const pieces of [[7], [4, 3], [1, 1, 1, 1, 1, 1, 1]]) {
    const rig = new IngestRig();
    const socket = new FakeSocket();
    const connection = rig.connection(socket);
    const bytes = Buffer.from([0x7f, 0xff, 0xff, 0xff, 0x22, 0, 1]);
    let at = 0;
    for (const length of pieces) {
      rig.read(connection, bytes.subarray(at, at + length));
      at += length;
    }
    expect(answers(socket)[0]).toMatchObject({ kind: 2, n: 1, code: 8 });
    expect([socket.wasCutOff, socket.wasReset, connection.owesAck]).toEqual([true, false, false]);
  }
});

test("a part of a frame at the end is refused as truncated, to who asked too", () => {
  const asking = new IngestRig();
  const heard = new FakeSocket();
  const asked = asking.connection(heard);
  asking.read(asked, frames(1, 2, true).subarray(0, 100));
  asked.end();
  // Nothing of it waits for a log: it is over at once.
  expect(answers(heard)).toMatchObject([
    { kind: 2, n: 1, code: 9 },
    { kind: 1, n: 1 },
  ]);
  expect([asked.owesAck, heard.ended]).toEqual([false, true]);

  const rig = new IngestRig();
  const socket = new FakeSocket();
  const connection = rig.connection(socket);
  rig.read(connection, frames(2, 2).subarray(0, 300));
  expect(connection.midFrame).toBe(true);
  connection.end();
  expect(rig.counters.value("refused.truncated")).toBe(1);
  expect([rig.take("transactional").length, socket.ended]).toEqual([1, true]);
});

test("promises beyond what is remembered are merged into the last, never lost", () => {
  const acks = new PendingAcks();
  for (let n = 1; n <= 1_000; n++) acks.push(n, n, -1, -1);
  let most = 0;
  for (let durable = 1; durable <= 1_000; durable++) {
    const n = acks.settle(durable, 0, 0);
    expect(n).toBeLessThanOrEqual(durable);
    most = Math.max(most, n);
  }
  expect([most, acks.empty]).toEqual([1_000, true]);
});

test("a frame's time begins with its first byte: bytes that trickle in don't stop the clock, a whole frame does", () => {
  const rig = new IngestRig();
  const connection = rig.connection(new FakeSocket());
  const bytes = frames(2, 2);
  const frame = bytes.length / 2;
  rig.clock.ms = 100;
  for (let at = 0; at < frame - 1; at++) {
    rig.read(connection, bytes.subarray(at, at + 1));
    expect(connection.frameAgeMs).toBe(at * 10);
    rig.clock.ms += 10;
  }
  // Its last byte, and the first three of the next one.
  rig.read(connection, bytes.subarray(frame - 1, frame + 3));
  expect(connection.frameAgeMs).toBe(0);
  rig.clock.ms += 7;
  expect(connection.frameAgeMs).toBe(7);
  rig.read(connection, bytes.subarray(frame + 3));
  rig.clock.ms += 7;
  expect([connection.frameAgeMs, rig.take("transactional").length]).toEqual([0, 2]);
});

test("time in which we read no further is not the frame's", () => {
  const rig = new IngestRig();
  const socket = new FakeSocket();
  const connection = rig.connection(socket, 100);
  rig.read(connection, Buffer.concat([frames(400, 2), frames(1, 2).subarray(0, 10)]));
  expect(connection.blocked).toBe(true);
  rig.clock.ms += 60_000;
  expect(connection.frameAgeMs).toBe(0);
  while (connection.blocked) {
    rig.take("transactional");
    connection.retry();
  }
  expect([connection.midFrame, connection.frameAgeMs]).toEqual([true, 0]);
  rig.clock.ms += 5;
  expect(connection.frameAgeMs).toBe(5);
});

test("unfinished frames of all connections fit their room: the one that began first gives way, and its memory comes back", () => {
  const rig = new IngestRig({ partialFrameBytes: 30_000 });
  const large = frames(1, 2, false, 8_000);
  const clients = Array.from({ length: 6 }, () => {
    const socket = new FakeSocket();
    return { socket, connection: rig.connection(socket) };
  });
  const ended = () => clients.map(({ socket }) => socket.wasReset);
  for (const { connection } of clients.slice(0, 3)) rig.read(connection, large.subarray(0, 7_000));
  expect([rig.shed, rig.partials.bytes > 20_000]).toEqual([0, true]);
  // The first client ends its frame and begins another one: now the second's is the oldest.
  const [first] = clients.map(({ connection }) => connection);
  rig.read(first as Connection, Buffer.concat([large.subarray(7_000), large.subarray(0, 7_000)]));
  for (const { connection } of clients.slice(3)) rig.read(connection, large.subarray(0, 7_000));
  expect(ended()).toEqual([false, true, true, false, false, false]);
  expect([rig.shed, rig.counters.value("refused.truncated")]).toEqual([2, 2]);
  expect(rig.partials.bytes).toBeLessThanOrEqual(30_000);
  for (const { connection } of clients) rig.read(connection, large.subarray(7_000));
  expect([rig.partials.bytes, rig.take("transactional").length]).toEqual([0, 5]);
});

test("an unfinished frame is charged for its own bytes: the longest one fits into room for one", () => {
  const rig = new IngestRig({ capacityBytes: 1 << 18, maxFrameBytes: 70_000, partialFrameBytes: 70_000 });
  const large = frames(1, 2, false, 69_000);
  const connection = rig.connection(new FakeSocket());
  // Spares that are longer than the frame, from a connection that waited for its lane.
  rig.carries.giveBack(Buffer.allocUnsafeSlow(131_072));
  for (let at = 0; at < large.length; at += 25_000) rig.read(connection, large.subarray(at, at + 25_000));
  expect([rig.shed, rig.take("transactional").length]).toEqual([0, 1]);
});

test("what waits for a lane lies in a spare buffer, which is there again for the next time", () => {
  const rig = new IngestRig();
  const connection = rig.connection(new FakeSocket());
  const spare = Buffer.allocUnsafeSlow(262_144);
  rig.carries.giveBack(spare);
  for (let time = 0; time < 3; time++) {
    rig.read(connection, frames(1_200, 2));
    expect(connection.blocked).toBe(true);
    expect(rig.carries.take(200_000) === spare).toBe(false);
    while (connection.blocked) {
      rig.take("transactional");
      connection.retry();
    }
    rig.take("transactional");
  }
  // Not by toBe, which would print both.
  expect(rig.carries.take(200_000) === spare).toBe(true);
});

test("a connection that closes gives back what its unfinished frame held; what waits for a lane holds nothing of it", () => {
  const rig = new IngestRig({ partialFrameBytes: 20_000 });
  const large = frames(1, 2, false, 8_000);
  for (let i = 0; i < 100; i++) {
    const connection = rig.connection(new FakeSocket());
    rig.read(connection, large.subarray(0, 7_000));
    expect(rig.partials.bytes).toBeGreaterThan(0);
    connection.end();
    expect(rig.partials.bytes).toBe(0);
  }
  const waiting = rig.connection(new FakeSocket());
  rig.read(waiting, frames(800, 2));
  expect([waiting.blocked, rig.partials.bytes, rig.shed]).toEqual([true, 0, 0]);
});

test("a client that asked and has to give way is told, and what it is owed comes first", () => {
  const rig = new IngestRig({ partialFrameBytes: 10_000 });
  const socket = new FakeSocket();
  const connection = rig.connection(socket);
  const large = frames(1, 2, false, 8_000);
  rig.read(connection, Buffer.concat([frames(1, 2, true), large.subarray(0, 7_000)]));
  rig.read(rig.connection(new FakeSocket()), large.subarray(0, 7_000));
  expect(answers(socket)).toMatchObject([{ kind: 2, n: 2, code: 9 }]);
  expect([socket.wasCutOff, socket.wasReset]).toEqual([false, false]);
  connection.settle(0, rig.rings.transactional.publishedPosition, 0);
  expect(answers(socket)).toMatchObject([{ kind: 2 }, { kind: 1, n: 1 }]);
  expect([socket.wasCutOff, socket.wasReset]).toEqual([true, false]);
});

import { AckDecoder, encodeFrame, type Priority } from "@esc/events";
import { expect, test } from "vitest";
import { PendingAcks } from "./index.ts";
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

test("a length over the limit cuts the connection off, what follows is thrown away", () => {
  const rig = new IngestRig();
  const socket = new FakeSocket();
  const connection = rig.connection(socket);
  expect(rig.read(connection, Buffer.from([0xff, 0xff, 0xff, 0xff, 1]))).toBe(true);
  expect(socket.wasCutOff).toBe(true);
  expect(rig.read(connection, frames(10, 2))).toBe(true);
  expect(rig.take("transactional")).toEqual([]);
  expect(rig.counters.value("refused.tooLarge")).toBe(1);
});

test("a part of a frame at the end is refused as truncated", () => {
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

import dgram from "node:dgram";
import { expect, test } from "vitest";
import { connect, finish, plainFrame, seeded, writeAll } from "./testing/plain-frames.fixture.ts";
import { accountedFor, ServerProcess } from "./testing/server-process.fixture.ts";

const INPUTS = 50_000;
type Random = () => number;

/** A frame that a server may not take as it is, of every kind a client can get wrong. Lengths stay sound: what follows is read on. */
function brokenFrame(random: Random): Buffer {
  const pick = Math.floor(random() * 6);
  const good = plainFrame(Math.floor(random() * 5), "fuzz.topic", randomBytes(random, 40));
  switch (pick) {
    case 0:
      return Buffer.alloc(4); // length 0
    case 1:
      return Buffer.from([0, 0, 0, 1, Math.floor(random() * 256)]);
    case 2:
      good[4] = 0x80 | Math.floor(random() * 256); // a reserved bit
      return good;
    case 3:
      good.writeUInt16BE(0xffff, 5); // a topic beyond the frame
      return good;
    case 4:
      good[7 + Math.floor(random() * 10)] = 0xff; // a topic that is no UTF-8
      return good;
    default:
      good[4] = 5 + Math.floor(random() * 3); // a priority that isn't
      return good;
  }
}

/** A valid frame with one byte behind its length changed: maybe good, maybe not, but always whole. */
function mutatedFrame(random: Random): Buffer {
  const frame = plainFrame(Math.floor(random() * 5), "fuzz.topic", randomBytes(random, 40));
  frame[4 + Math.floor(random() * (frame.length - 4))] = Math.floor(random() * 256);
  return frame;
}

function randomBytes(random: Random, most: number): Buffer {
  return Buffer.from(Array.from({ length: Math.floor(random() * most) }, () => Math.floor(random() * 256)));
}

function refusedSum(refused: Readonly<Record<string, number>>): number {
  return Object.values(refused).reduce((sum, count) => sum + count, 0);
}

test(`${INPUTS} broken and mutated frames over TCP are each counted, and good frames between them arrive`, async () => {
  await using server = await ServerProcess.start();
  const random = seeded(2);
  const good = 5_000;
  const perConnection = 10;
  let inputs = 0;
  for (let c = 0; c < perConnection; c++) {
    const socket = await connect(server.tcpPort);
    const parts: Buffer[] = [];
    for (let i = 0; i < INPUTS / perConnection; i++, inputs++) {
      parts.push(random() < 0.5 ? brokenFrame(random) : mutatedFrame(random));
      if (i % (INPUTS / good) === 0) parts.push(plainFrame(2, "good.topic", "ok"));
    }
    await writeAll(socket, Buffer.concat(parts));
    await finish(socket);
  }
  const stats = await server.statsWhen(
    (s) => s.accepted + refusedSum(s.refused) >= INPUTS + good && s.stored === s.accepted,
  );
  expect(inputs).toBe(INPUTS);
  expect(stats.accepted + refusedSum(stats.refused)).toBe(INPUTS + good);
  expect(stats.accepted).toBeGreaterThanOrEqual(good);
  for (const reason of ["short", "control", "priority", "topicLength", "topicUtf8"] as const) {
    expect(stats.refused[reason], reason).toBeGreaterThan(0);
  }
  expect(accountedFor(await server.statsWhen((s) => accountedFor(s) === stats.accepted))).toBe(stats.accepted);
  expect(await server.stop()).toBe(0);
});

test("random bytes and absurd lengths end their own connection only; memory stays flat", async () => {
  await using server = await ServerProcess.start();
  const random = seeded(3);
  const steady = await connect(server.tcpPort);
  const rounds = 2_000;
  const round = async () => {
    const socket = await connect(server.tcpPort);
    socket.on("error", () => undefined);
    const pick = Math.floor(random() * 4);
    const length = Buffer.alloc(4);
    if (pick === 0) length.writeUInt32BE(2 ** 31);
    if (pick === 1) length.writeUInt32BE(2 ** 32 - 1);
    // A length within the limit that never comes true: the rest of the frame is missing when the client ends.
    if (pick === 2) length.writeUInt32BE(500_000);
    await writeAll(socket, Buffer.concat([pick === 3 ? Buffer.alloc(0) : length, randomBytes(random, 600)]));
    await finish(socket);
    await writeAll(steady, plainFrame(3, "good.topic", "still here"));
  };
  for (let i = 0; i < 400; i++) await round();
  const before = await server.residentBytes();
  for (let i = 400; i < rounds; i++) await round();
  const growth = (await server.residentBytes()) - before;
  await finish(steady);

  const stats = await server.statsWhen((s) => s.connections.open === 0 && accountedFor(s) === s.accepted);
  expect(stats.connections).toMatchObject({ open: 0, opened: rounds + 1 });
  expect(stats.lanes.realtime.accepted).toBeGreaterThanOrEqual(rounds);
  expect(stats.refused.tooLarge).toBeGreaterThan(0);
  expect(stats.refused.truncated).toBeGreaterThan(0);
  expect(growth).toBeLessThan(40 * 1_048_576);
  expect(await server.stop()).toBe(0);
});

test(`${INPUTS} datagrams of every kind over UDP: those that arrive are each counted, and the server goes on`, async () => {
  await using server = await ServerProcess.start();
  const random = seeded(4);
  const socket = dgram.createSocket("udp4");
  const send = (bytes: Buffer) =>
    new Promise<void>((resolve, reject) =>
      socket.send(bytes, server.udpPort, "127.0.0.1", (error) => (error ? reject(error) : resolve())),
    );
  for (let i = 0; i < INPUTS; i++) {
    const pick = random();
    const good = plainFrame(Math.floor(random() * 5), "good.topic", "ok");
    if (pick < 0.25) await send(randomBytes(random, 100));
    else if (pick < 0.5) await send(brokenFrame(random));
    else if (pick < 0.75) await send(mutatedFrame(random));
    else await send(Buffer.concat([good, brokenFrame(random), good, good.subarray(0, 1 + Math.floor(random() * 10))]));
    // The socket's buffer holds a few hundred, and drops what comes while the server has no processor.
    if (i % 100 === 99) await server.statsWhen((s) => s.datagrams > i, 200);
  }
  // Loopback may drop under load, so ask until what was sent last is there.
  const last = plainFrame(4, "last.topic", "end");
  const stats = await server.statsWhen((s) => s.datagrams >= INPUTS * 0.9);
  const before = stats.lanes.realtime.accepted;
  await send(last);
  const after = await server.statsWhen((s) => s.lanes.realtime.accepted > before && accountedFor(s) === s.accepted);
  expect(after.lanes.realtime.accepted).toBeGreaterThan(before);
  expect(after.datagrams).toBeGreaterThan(INPUTS * 0.9);
  // Every datagram holds at least one frame or a part of one; an empty one counts as that.
  expect(after.accepted + refusedSum(after.refused)).toBeGreaterThanOrEqual(after.datagrams);
  expect(after.refused.truncated).toBeGreaterThan(0);
  socket.close();
  expect(await server.stop()).toBe(0);
});

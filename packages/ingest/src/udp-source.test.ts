import dgram from "node:dgram";
import { encodeFrame } from "@esc/events";
import { expect, test } from "vitest";
import { UdpSource } from "./index.ts";
import { IngestRig } from "./ingest-rig.fixture.ts";

test("every datagram is accounted for: whole frames are taken, a cut one and an empty one are refused", async () => {
  const rig = new IngestRig();
  const { udp: scanner, input, counters } = rig;
  const source = new UdpSource({ host: "127.0.0.1", port: 0, bufferBytes: 65_536 }, { scanner, input, counters });
  const port = await source.listen();
  const socket = dgram.createSocket("udp4");
  const frame = encodeFrame({ topic: "t", payload: Buffer.from("x"), priority: 2 });
  for (const bytes of [frame, frame.subarray(0, 5), Buffer.alloc(0), Buffer.concat([frame, frame])]) {
    const before = counters.value("datagrams");
    await new Promise((resolve) => socket.send(bytes, port, "127.0.0.1", resolve));
    while (counters.value("datagrams") === before) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(rig.take("transactional")).toHaveLength(3);
  expect([counters.value("datagrams"), counters.value("refused.truncated")]).toEqual([4, 2]);
  socket.close();
  await source.close();
});

test("a datagram waits for its turn behind another thread's claim, a moment and not for ever; then it is dropped and counted", async () => {
  const rig = new IngestRig();
  const { udp: scanner, input, counters } = rig;
  const close = rig.openClaim("transactional");
  const source = new UdpSource({ host: "127.0.0.1", port: 0, bufferBytes: 65_536 }, { scanner, input, counters });
  const port = await source.listen();
  const socket = dgram.createSocket("udp4");
  const frame = encodeFrame({ topic: "t", payload: Buffer.from("x"), priority: 2 });
  const sendOne = async () => {
    const before = counters.value("accepted.transactional");
    await new Promise((resolve) => socket.send(frame, port, "127.0.0.1", resolve));
    while (counters.value("accepted.transactional") === before) await new Promise((resolve) => setImmediate(resolve));
    return counters.value("dropped.transactional");
  };
  expect([await sendOne(), await sendOne()]).toEqual([0, 1]);
  close();
  expect(await sendOne()).toBe(1);
  socket.close();
  await source.close();
});

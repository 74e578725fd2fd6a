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

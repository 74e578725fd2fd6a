import net, { type AddressInfo } from "node:net";
import { encodeAnswer } from "@esc/events";
import { expect, onTestFinished, test } from "vitest";
import { TcpSender } from "./tcp-sender.ts";

/** Connects to a server that answers once it has everything; says which frames were told to be durable. */
async function acknowledged(frames: number, answers: readonly Uint8Array[]) {
  const server = net.createServer((socket) => {
    let bytes = 0;
    socket.on("data", (chunk) => {
      bytes += chunk.length;
      if (bytes === frames) socket.write(Buffer.concat(answers));
    });
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const runs: [number, number][] = [];
  const { port } = server.address() as AddressInfo;
  const options = { host: "127.0.0.1", port, ack: true, window: 100, timeoutMs: 5_000 };
  await using sender = await TcpSender.connect({
    ...options,
    onAcknowledged: (first, last) => runs.push([first, last]),
  });
  // The server above counts bytes and takes none apart: one for each frame will do.
  await sender.write(new Uint8Array(frames), frames);
  await sender.finish(5_000);
  return { runs, acked: sender.counts.acked };
}

test("acknowledged frames are told as runs, those refused left out", async () => {
  const answers = [
    encodeAnswer(2, 1, 10),
    encodeAnswer(2, 4, 10),
    encodeAnswer(1, 6),
    encodeAnswer(2, 7, 10),
    encodeAnswer(2, 8, 10),
    encodeAnswer(1, 8),
    encodeAnswer(1, 8),
    encodeAnswer(1, 10),
  ];
  const { runs, acked } = await acknowledged(10, answers);

  expect(runs).toEqual([
    [2, 3],
    [5, 6],
    [9, 10],
  ]);
  expect(acked).toBe(6);
});

test("an acknowledgement of more than was sent is one of what was", async () => {
  expect(await acknowledged(3, [encodeAnswer(1, 99)])).toEqual({ runs: [[1, 3]], acked: 3 });
});

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { connect, finish, plainFrame, seeded, writeAll } from "./testing/plain-frames.fixture.ts";
import { accountedFor, esc, ServerProcess, temporaryDirectory } from "./testing/server-process.fixture.ts";

const FRAMES = 1_000_000;
const CONNECTIONS = 8;

test("a million plain frames over eight connections, split anywhere, are accepted, stored, and accounted for", async () => {
  await using server = await ServerProcess.start();
  const random = seeded(1);
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const socket = await connect(server.tcpPort);
      // 4 + 1 + 2 + 13 + 32 bytes, priorities 0 to 4 in turn.
      const frames = Array.from({ length: 1_000 }, (_, i) => plainFrame(i % 5, "order.created", Buffer.alloc(32, i)));
      const block = Buffer.concat(frames);
      expect(block.length).toBe(52_000);
      for (let sent = 0; sent < FRAMES / CONNECTIONS; sent += 1_000) {
        for (let at = 0; at < block.length; ) {
          const end = Math.min(block.length, at + 1 + Math.floor(random() * 20_000));
          await writeAll(socket, block.subarray(at, end));
          at = end;
        }
      }
      await finish(socket);
    }),
  );

  const stats = await server.statsWhen((s) => s.stored >= FRAMES && accountedFor(s) >= FRAMES);
  expect(stats.accepted).toBe(FRAMES);
  expect(stats.stored).toBe(FRAMES);
  expect(accountedFor(stats)).toBe(FRAMES);

  expect(await server.stop()).toBe(0);
  const verified = await esc("log", "verify", server.dataDir, "--json");
  expect(verified.code).toBe(0);
  const { sound, lanes } = JSON.parse(verified.stdout) as {
    sound: boolean;
    lanes: { lane: string; records: number }[];
  };
  expect(sound).toBe(true);
  const stored = lanes.filter(({ lane }) => lane !== "dead-letters").reduce((sum, { records }) => sum + records, 0);
  expect(stored).toBe(FRAMES);
});

test("acknowledged transactional events are never dropped, however slow the handler: senders are held back", async () => {
  // A ring of 4 MiB, so that the handler's slowness is felt long before the end.
  await using server = await ServerProcess.start({
    args: ["--config", slowHandlerConfig()],
    env: { ESC_ROUTER_BUFFER_SIZE: "32768", ESC_INGESTION_MAX_FRAME_BYTES: "64KiB", ESC_SHUTDOWN_GRACE_MS: "2000" },
  });
  const sent = await esc(
    ...["send", "--port", String(server.tcpPort), "--topic", "order.created", "--priority", "MEDIUM"],
    ...["--count", "200000", "--ack", "--json"],
  );
  expect(sent.code).toBe(0);
  expect(JSON.parse(sent.stdout)).toMatchObject({ sent: 200_000, acked: 200_000, refused: {} });
  const stats = await server.statsWhen((s) => s.processed === 200_000, 60_000);
  expect(stats).toMatchObject({ accepted: 200_000, stored: 200_000, processed: 200_000, deadLettered: 0 });
  expect(Object.values(stats.dropped).every((count) => count === 0)).toBe(true);
}, 120_000);

/** The sender does up to four million events a second; this handler takes 30 µs for each. */
function slowHandlerConfig(): string {
  const dir = temporaryDirectory();
  writeFileSync(
    join(dir, "slow.mjs"),
    `export default { topics: "order.>", handle() { const end = performance.now() + 0.03; while (performance.now() < end); } };`,
  );
  writeFileSync(join(dir, "esc.yaml"), "handlers: [./slow.mjs]\n");
  return join(dir, "esc.yaml");
}

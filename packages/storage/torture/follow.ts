/**
 * Followers beside a writer, at length: each event must be seen exactly once and in order.
 *
 *     node packages/storage/torture/follow.ts [--events 10000000] [--followers 2]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandLine } from "@esc/tooling/script";
import { LogFollower } from "../src/index.ts";
import { LiveLog } from "../src/live-log.fixture.ts";

const values = commandLine({
  about: "Followers beside a writer: each event must be seen exactly once and in order.",
  options: {
    events: { type: "string", default: "10000000", help: "To write and follow" },
    followers: { type: "string", default: "2", help: "At once" },
  },
});
const events = Number(values.events);
const dir = mkdtempSync(join(tmpdir(), "esc-follow-"));

async function follow(live: LiveLog): Promise<number> {
  const stop = new AbortController();
  using follower = new LogFollower({ dir, end: live.end, signal: stop.signal });
  let next = 1;
  let wrong = 0;
  for await (const run of follower.runs()) {
    for (const event of run) {
      const { payload } = event;
      const n = Buffer.from(payload.buffer, payload.byteOffset, 4).readUInt32LE();
      if (event.sequence !== next || n !== next) wrong++;
      next++;
    }
    if (next > events) stop.abort();
  }
  return wrong + Math.abs(events + 1 - next);
}

try {
  await using live = await LiveLog.start({ events, dir, segmentBytes: 64 << 20 });
  const startedAt = performance.now();
  const followers = Array.from({ length: Number(values.followers) }, () => follow(live));
  const [wrong] = await Promise.all([Promise.all(followers), live.produce()]);
  const seconds = (performance.now() - startedAt) / 1_000;
  process.stdout.write(
    `${events} events, ${wrong.length} followers, ${seconds.toFixed(1)} s (${(events / seconds / 1e6).toFixed(2)} M/s); not exactly once and in order: ${wrong.join(", ")}\n`,
  );
  process.exitCode = wrong.some((count) => count > 0) ? 1 : 0;
} finally {
  rmSync(dir, { recursive: true, force: true });
}

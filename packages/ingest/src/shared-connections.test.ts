import { Worker } from "node:worker_threads";
import { Arena } from "@esc/arena";
import { expect, test } from "vitest";
import { SharedConnections } from "./index.ts";

test("a count has so many places and no more; one that is given back is taken again", () => {
  const arena = Arena.create({ bytes: 1_024 });
  const one = SharedConnections.create(arena, "count");
  const other = SharedConnections.attach(arena, "count");
  expect([one.take(2), other.take(2), one.take(2), other.take(2)]).toEqual([true, true, false, false]);
  one.give();
  expect([other.open, other.take(2), one.take(2)]).toEqual([1, true, false]);
});

test("threads that take and give at once: never more than the limit are taken, and in the end none", async () => {
  const arena = Arena.create({ bytes: 1_024 });
  const count = SharedConnections.create(arena, "count");
  const workers = Array.from(
    { length: 3 },
    () => new Worker(new URL("./shared-connections.fixture.ts", import.meta.url), { workerData: arena.handle }),
  );
  const most = await Promise.all(
    workers.map(
      (worker) => new Promise<number>((resolve, reject) => worker.once("message", resolve).once("error", reject)),
    ),
  );
  expect(Math.max(...most)).toBeLessThanOrEqual(2);
  expect(count.open).toBe(0);
});

import { expect, test } from "vitest";
import { Pacer } from "./pacer.ts";

test("waits at once are each over at their time or after, never before", async () => {
  expect.assertions(7);
  const pacer = new Pacer();
  const start = pacer.nowMs();
  await Promise.all(
    [12, 0.05, 4, 0.5, 1, 0, -1].map(async (ms) => {
      await pacer.until(start + ms);
      expect(pacer.nowMs()).toBeGreaterThanOrEqual(start + ms);
    }),
  );
});

test("who is never held back still lets the event loop have its turn", async () => {
  const pacer = new Pacer();
  let turns = 0;
  let running = true;
  const count = () => {
    turns++;
    if (running) setImmediate(count);
  };
  setImmediate(count);
  // Nothing here is in the future: without turns, this would go on for ever.
  while (turns < 3) await pacer.until(pacer.nowMs());
  running = false;
  expect(turns).toBeGreaterThanOrEqual(3);
});

import { expect, test } from "vitest";
import { Grace } from "./grace.ts";

test("steps that all take as long as they may end with the whole time, not later", () => {
  const clock = { ms: 5_000 };
  const grace = new Grace(1_000, () => clock.ms);
  const took: number[] = [];
  for (const keepShare of [0.75, 0.4, 0.3, 0.15, 0.1, 0]) {
    took.push(grace.leftMs(keepShare));
    clock.ms += grace.leftMs(keepShare);
  }
  expect(took).toEqual([250, 350, 100, 150, 50, 100]);
  expect(clock.ms).toBe(6_000);
});

test("what one step doesn't use, the next has; a step that overran leaves later ones less, never less than nothing", () => {
  const clock = { ms: 0 };
  const grace = new Grace(1_000, () => clock.ms);
  clock.ms = 10;
  expect(grace.leftMs(0.5)).toBe(490);
  clock.ms = 700;
  expect([grace.leftMs(0.5), grace.leftMs(0)]).toEqual([0, 300]);
});

test("a promise that is late counts as such, and one that is done in time does not", async () => {
  const grace = new Grace(10);
  expect(await grace.within(Promise.resolve(), 0)).toBe(true);
  expect(await grace.within(new Promise(() => undefined), 0)).toBe(false);
});

import { expect, test } from "vitest";
import { CarryBuffers } from "./carry-buffers.ts";

test("what was given back is taken again, where it is large enough and not more than twice as large", () => {
  const buffers = new CarryBuffers();
  const first = buffers.take(200_000);
  expect(first.length).toBe(262_144);
  buffers.giveBack(first);
  expect(buffers.take(131_071) === first).toBe(false);
  expect(buffers.take(262_145) === first).toBe(false);
  expect(buffers.take(131_072) === first).toBe(true);
  expect(buffers.take(131_072) === first).toBe(false);
});

test("the smallest that fits is taken", () => {
  const buffers = new CarryBuffers();
  const [large, small] = [buffers.take(65_536), buffers.take(32_768)];
  buffers.giveBack(large);
  buffers.giveBack(small);
  const [first, second] = [buffers.take(32_768), buffers.take(32_768)];
  expect([first === small, second === large]).toEqual([true, true]);
});

test("a larger one takes the place of the smallest of eight, a smaller one none", () => {
  const buffers = new CarryBuffers();
  const small = Array.from({ length: 8 }, () => buffers.take(20_000));
  for (const buffer of small) buffers.giveBack(buffer);
  const [large, tiny] = [buffers.take(200_000), buffers.take(2_000)];
  buffers.giveBack(large);
  buffers.giveBack(tiny);
  expect(buffers.take(200_000) === large).toBe(true);
  expect(buffers.take(2_000) === tiny).toBe(false);
});

test("no more than eight are kept, and none over 1 MiB", () => {
  const buffers = new CarryBuffers();
  const all = Array.from({ length: 9 }, () => buffers.take(20_000));
  for (const buffer of all) buffers.giveBack(buffer);
  const again = Array.from({ length: 9 }, () => buffers.take(20_000));
  expect(again.filter((buffer) => all.includes(buffer))).toHaveLength(8);
  const huge = buffers.take((1 << 20) + 1);
  expect(huge.length).toBe((1 << 20) + 1);
  buffers.giveBack(huge);
  expect(buffers.take((1 << 20) + 1) === huge).toBe(false);
});

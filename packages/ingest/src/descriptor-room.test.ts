import { expect, test } from "vitest";
import { DescriptorRoom } from "./index.ts";

function room(limit: number) {
  const clock = { ms: 0, limit, reads: 0 };
  const read = () => {
    clock.reads++;
    return clock.limit;
  };
  return { clock, room: new DescriptorRoom(read, () => clock.ms) };
}

test("the last 16 descriptors are kept back; what would need one of them is refused", () => {
  const { room: descriptors } = room(100);
  expect([descriptors.take(82), descriptors.take(83), descriptors.exhausted]).toEqual([true, true, false]);
  expect([descriptors.take(84), descriptors.exhausted]).toEqual([false, true]);
});

test("it counts as over only with twice as many free, and connections are taken before that", () => {
  const { room: descriptors } = room(100);
  descriptors.take(90);
  expect([descriptors.take(70), descriptors.exhausted]).toEqual([true, true]);
  expect([descriptors.take(67), descriptors.exhausted]).toEqual([true, false]);
});

test("a limit that is changed from outside is seen within a second, and read no oftener", () => {
  const { clock, room: descriptors } = room(1_000);
  for (let i = 0; i < 100; i++) descriptors.take(500);
  expect(clock.reads).toBe(1);
  clock.limit = 510;
  clock.ms = 999;
  expect(descriptors.take(500)).toBe(true);
  clock.ms = 1_000;
  expect(descriptors.take(500)).toBe(false);
});

test("the process's own limit is found where the system tells it", () => {
  const descriptors = new DescriptorRoom();
  expect(descriptors.take(0)).toBe(true);
  expect(descriptors.limit).toBeGreaterThan(16);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { CompletionTracker } from "./completion-tracker.ts";

function tracker(window: number, cursor: number): CompletionTracker {
  const fresh = new CompletionTracker(new Uint32Array(CompletionTracker.wordsFor(window)));
  fresh.reset(cursor);
  return fresh;
}

test("the cursor waits for the first open event, and then passes all that were finished meanwhile", () => {
  const finished = tracker(64, 10);
  for (const sequence of [11, 12, 14]) finished.finish(sequence);
  expect(finished.cursor).toBe(10);
  expect(finished.ranges()).toEqual([
    [11, 12],
    [14, 14],
  ]);
  finished.finish(10);
  expect(finished.cursor).toBe(13);
  finished.finish(13);
  expect(finished.cursor).toBe(15);
});

test("beyond the window there is no room, and finishing there is a caller's mistake", () => {
  const finished = tracker(32, 5);
  expect([finished.hasRoom(36), finished.hasRoom(37)]).toEqual([true, false]);
  expect(() => finished.finish(37)).toThrow(RangeError);
  finished.finish(5);
  expect(finished.hasRoom(37)).toBe(true);
});

test("who takes over the same memory knows what was finished, at sequences beyond 2^32 too", () => {
  const words = new Uint32Array(new SharedArrayBuffer(4 * CompletionTracker.wordsFor(64)));
  const first = new CompletionTracker(words);
  first.reset(2 ** 40);
  for (const sequence of [2 ** 40, 2 ** 40 + 2]) first.finish(sequence);
  const second = new CompletionTracker(words);
  expect(second.cursor).toBe(2 ** 40 + 1);
  expect([1, 2, 3].map((ahead) => second.isFinished(2 ** 40 + ahead))).toEqual([false, true, false]);
});

test("for any order of completions the cursor is the first that isn't finished, and ranges tell the others", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 45 }), fc.array(fc.nat(95), { maxLength: 200 }), (start, picks) => {
      const finished = tracker(96, start);
      const model = new Set<number>();
      for (const pick of picks) {
        const sequence = finished.cursor + pick;
        finished.finish(sequence);
        model.add(sequence);
        let cursor = start;
        while (model.has(cursor)) cursor++;
        expect(finished.cursor).toBe(cursor);
        const told = finished
          .ranges()
          .flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
        expect(told).toEqual([...model].filter((each) => each > cursor).sort((a, b) => a - b));
      }
    }),
    { numRuns: 200 },
  );
});

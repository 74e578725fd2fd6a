import { expect, test } from "vitest";
import { defineWindow, toWindow, type WindowDefinition } from "./window-definition.ts";

const sound: WindowDefinition = { name: "w", topics: "order.*", shape: { tumbling: { ms: 1_000 } }, handle() {} };

test("a sound definition comes back as it is, and takes the batch lane's events unless it says otherwise", () => {
  expect(defineWindow(sound)).toBe(sound);
  expect(toWindow(sound, "x")).toMatchObject({ lane: "batch", definition: sound });
  expect(toWindow({ ...sound, lane: "realtime" }, "x").lane).toBe("realtime");
});

test.each([
  ["no object", 7, "a window is an object"],
  ["a field that isn't", { ...sound, size: 1 }, "there is no `size`"],
  ["no name", { ...sound, name: "" }, "`name`"],
  ["a name with a slash", { ...sound, name: "a/b" }, "`name`"],
  ["no topics", { ...sound, topics: [] }, "`topics`"],
  ["a topic that is no pattern", { ...sound, topics: "a.>.b" }, 'topic "a.>.b"'],
  ["a lane that isn't", { ...sound, lane: "fast" }, "`lane`"],
  ["no shape", { ...sound, shape: undefined }, "`shape` takes"],
  [
    "a shape of both kinds",
    { ...sound, shape: { tumbling: { ms: 1 }, sliding: { ms: 2, everyMs: 1 } } },
    "`shape` takes",
  ],
  ["an empty tumbling", { ...sound, shape: { tumbling: {} } }, "`shape` takes"],
  ["a sliding that mixes time and count", { ...sound, shape: { sliding: { ms: 10, every: 2 } } }, "`shape` takes"],
  ["half a millisecond", { ...sound, shape: { tumbling: { ms: 0.5 } } }, "as `ms`, not 0.5"],
  ["no event", { ...sound, shape: { tumbling: { count: 0 } } }, "as `count`, not 0"],
  ["gaps between windows", { ...sound, shape: { sliding: { ms: 10, everyMs: 20 } } }, "slides by more than its length"],
  ["too many at once", { ...sound, shape: { sliding: { ms: 1_000, everyMs: 1 } } }, "more than 64 windows"],
  ["a key that is no function", { ...sound, key: "id" }, "`key` must be a function"],
  ["no handle", { ...sound, handle: undefined }, "`handle` must be a function"],
  ["an unknown policy", { ...sound, late: "keep" }, "`late` must be one of"],
  ["side without a handler", { ...sound, late: "side" }, "`handleLate` goes with"],
  ["a late handler without side", { ...sound, handleLate() {} }, "`handleLate` goes with"],
  ["include without a time", { ...sound, late: "include" }, "`latenessMs` goes with"],
  ["lateness without include", { ...sound, latenessMs: 10 }, "`latenessMs` goes with"],
  ["an idle time of nothing", { ...sound, idleMs: 0 }, "`idleMs`"],
  ["too many open", { ...sound, maxOpen: 100_000 }, "`maxOpen`"],
  ["percentiles over 100", { ...sound, value: () => 1, percentiles: [101] }, "`percentiles` takes"],
  ["percentiles of nothing", { ...sound, percentiles: [50] }, "`percentiles` are of a `value`"],
])("%s is refused with the place and the field", (_, definition, message) => {
  const check = () => toWindow(definition, "windows.js");
  expect(check).toThrow(expect.objectContaining({ code: "ESC_WINDOW_INVALID" }));
  expect(check).toThrow("windows.js");
  expect(check).toThrow(message);
});

import { type ExploreOptions, explore, type Plant } from "@esc/tooling/explore";
import { describe, expect, test } from "vitest";

/** `assembly/model/parker.ts`: a sleeper and its wakers, run in every order of their atomic steps. */
function options(threads: ExploreOptions["threads"], work: number, plant?: Plant): ExploreOptions {
  return {
    model: new URL("../assembly/model/parker.ts", import.meta.url),
    memoryBytes: 32,
    threads,
    buffered: [0, 16],
    plant,
    checkEnd: (view) => expect(view.getInt32(16)).toBe(work),
  };
}

test.each([
  ["one waker, one piece of work", [["waker", 1]], 1],
  ["one waker, three pieces", [["waker", 3]], 3],
  [
    "two wakers, two pieces each",
    [
      ["waker", 2],
      ["waker", 2],
    ],
    4,
  ],
] as [string, ExploreOptions["threads"], number][])("no wake-up is lost: %s", async (_, wakers, work) => {
  const { states, ends } = await explore(options([["sleeper", work], ...wakers], work));
  expect(states).toBeGreaterThan(20);
  expect(ends).toBeGreaterThan(0);
});

test.each(["napper", "sleeper"])("no urgent wake-up is lost to a %s", async (side) => {
  const threads: ExploreOptions["threads"] = [
    [side, 3],
    ["urgent", 2],
    ["urgent", 1],
  ];
  const { states, ends } = await explore(options(threads, 3));
  expect(states).toBeGreaterThan(20);
  expect(ends).toBeGreaterThan(0);
});

test("what isn't urgent leaves a napper asleep", async () => {
  const threads: ExploreOptions["threads"] = [
    ["napper", 1],
    ["waker", 1],
  ];
  await expect(explore(options(threads, 1))).rejects.toMatchObject({ code: "ESC_EXPLORE_DEADLOCK" });
});

describe("the explorer finds the bug", () => {
  const model = "assembly/model/parker.ts";
  const kernel = "assembly/parker.ts";
  const ofBoth: [string, Plant][] = [
    ["no second look", { file: model, from: "if (work == taken) atomic.wait", to: "atomic.wait" }],
    [
      "the sleep is announced after the second look",
      {
        file: model,
        from: `    atomic.store<i32>(base + PARKER, asleep); // prepare, or prepareNap
    const work = atomic.load<i32>(base + WORK); // the second look
`,
        to: `    const work = atomic.load<i32>(base + WORK);
    atomic.store<i32>(base + PARKER, asleep);
`,
      },
    ],
    [
      "the sleep is announced by a plain store",
      { file: model, from: "atomic.store<i32>(base + PARKER, asleep);", to: "store<i32>(base + PARKER, asleep);" },
    ],
    [
      "the waker looks for the sleeper before its work is visible",
      {
        file: model,
        from: `    atomic.add<i32>(base + WORK, 1);
    if (urgently) rouse(base + PARKER);
    else unpark(base + PARKER);
`,
        to: `    if (urgently) rouse(base + PARKER);
    else unpark(base + PARKER);
    atomic.add<i32>(base + WORK, 1);
`,
      },
    ],
    [
      "the waker makes its work visible by a plain store",
      {
        file: model,
        from: "atomic.add<i32>(base + WORK, 1);",
        to: "store<i32>(base + WORK, load<i32>(base + WORK) + 1);",
      },
    ],
  ];
  const ofSleepers: [string, Plant][] = [
    ...ofBoth,
    [
      "the waker notifies and leaves the word as it is",
      {
        file: kernel,
        from: "if (atomic.cmpxchg<i32>(parker, PARKED, AWAKE) == PARKED) atomic.notify",
        to: "atomic.notify",
      },
    ],
    [
      "the waker doesn't notify",
      { file: kernel, from: "== PARKED) atomic.notify(parker, most);", to: "== PARKED) {}" },
    ],
  ];
  const ofNappers: [string, Plant][] = [
    ...ofBoth,
    ["who naps isn't seen", { file: kernel, from: "seen != AWAKE &&", to: "seen == PARKED &&" }],
    [
      "the waker notifies and leaves the word as it is",
      { file: kernel, from: "atomic.cmpxchg<i32>(parker, seen, AWAKE) == seen", to: "true" },
    ],
    ["the waker doesn't notify", { file: kernel, from: "== seen) atomic.notify(parker, -1);", to: "== seen) {}" }],
  ];
  const found = (side: string, waker: string, plant: Plant) =>
    expect(
      explore(
        options(
          [
            [side, 2],
            [waker, 2],
          ],
          2,
          plant,
        ),
      ),
    ).rejects.toMatchObject({ code: "ESC_EXPLORE_DEADLOCK" });

  test.each(ofSleepers)("asleep: %s", (_, plant) => found("sleeper", "waker", plant));

  test.each(ofNappers)("napping: %s", (_, plant) => found("napper", "urgent", plant));
});

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

const napping = { model: new URL("../assembly/model/napping.ts", import.meta.url) };

test("no urgent wake-up is lost to who naps", async () => {
  const threads: ExploreOptions["threads"] = [
    ["napper", 3],
    ["urgent", 2],
    ["urgent", 1],
  ];
  const { ends } = await explore({ ...options(threads, 3), ...napping });
  expect(ends).toBeGreaterThan(0);
});

test("the explorer finds that what isn't urgent leaves a napper asleep", async () => {
  const threads: ExploreOptions["threads"] = [
    ["napper", 1],
    ["waker", 1],
  ];
  await expect(explore({ ...options(threads, 1), ...napping })).rejects.toMatchObject({
    code: "ESC_EXPLORE_DEADLOCK",
  });
});

describe("the explorer finds the bug", () => {
  const model = "assembly/model/parker.ts";
  const kernel = "assembly/parker.ts";
  const bugs: [string, Plant][] = [
    ["no second look", { file: model, from: "if (work == taken) atomic.wait", to: "atomic.wait" }],
    [
      "the sleep is announced after the second look",
      {
        file: model,
        from: `    atomic.store<i32>(base + PARKER, PARKED); // prepare
    const work = atomic.load<i32>(base + WORK); // the second look
`,
        to: `    const work = atomic.load<i32>(base + WORK);
    atomic.store<i32>(base + PARKER, PARKED);
`,
      },
    ],
    [
      "the sleep is announced by a plain store",
      { file: model, from: "atomic.store<i32>(base + PARKER, PARKED);", to: "store<i32>(base + PARKER, PARKED);" },
    ],
    [
      "the waker looks for the sleeper before its work is visible",
      {
        file: model,
        from: `    atomic.add<i32>(base + WORK, 1);
    unpark(base + PARKER);
`,
        to: `    unpark(base + PARKER);
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

  test.each(bugs)("%s", async (_, plant) => {
    await expect(
      explore(
        options(
          [
            ["sleeper", 2],
            ["waker", 2],
          ],
          2,
          plant,
        ),
      ),
    ).rejects.toMatchObject({
      code: "ESC_EXPLORE_DEADLOCK",
    });
  });
});

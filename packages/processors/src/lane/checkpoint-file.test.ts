import { expect, test } from "vitest";
import { type Checkpoint, isPlain, neededFrom, resumeFrom } from "./checkpoint-file.ts";

const plain = (cursor: number): Checkpoint => ({
  ...{ cursor, finished: [], delayed: [], windowsNext: cursor, windows: {}, closed: [] },
});

test("what is still needed begins at the cursor, or at the oldest event for later before it", () => {
  expect(neededFrom(plain(10))).toBe(10);
  const delayed: Checkpoint = {
    ...plain(10),
    delayed: [
      [4, 99],
      [12, 50],
    ],
  };
  expect(neededFrom(delayed)).toBe(4);
  expect([isPlain(plain(1)), isPlain(delayed), isPlain({ ...plain(1), finished: [[3, 5]] })]).toEqual([
    true,
    false,
    false,
  ]);
});

test("a checkpoint that holds more than a cursor is the newest word, whatever the cursor's file says", () => {
  const full: Checkpoint = { ...plain(20), delayed: [[4, 99]] };
  for (const file of [4, 17, undefined]) {
    expect(resumeFrom({ kind: "known", checkpoint: full }, file)).toEqual(full);
  }
});

test("a plain checkpoint was the last of its kind: since then the cursor's file was written alone", () => {
  expect(resumeFrom({ kind: "known", checkpoint: plain(20) }, 35)).toEqual(plain(35));
  expect(resumeFrom({ kind: "known", checkpoint: plain(20) }, 15)).toEqual(plain(20));
  expect(resumeFrom({ kind: "known", checkpoint: plain(20) }, undefined)).toEqual(plain(20));
});

test("without a checkpoint, or with a broken one, the cursor's file decides, and without that the log's start", () => {
  expect(resumeFrom({ kind: "new" }, 7)).toEqual(plain(7));
  expect(resumeFrom({ kind: "broken", reason: "?" }, 7)).toEqual(plain(7));
  expect(resumeFrom({ kind: "new" }, undefined)).toEqual(plain(1));
});

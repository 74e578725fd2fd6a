import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ConsumerGroups, earliest, lagOf } from "./index.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "esc-groups-"));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

test("a group begins where it is told, keeps how far it came, and is found again", async () => {
  const groups = new ConsumerGroups({ dataDir, lane: "batch" });
  expect(await groups.list()).toEqual([]);
  const cursor = await groups.open("billing", 7);
  await cursor.write(12);
  const again = new ConsumerGroups({ dataDir, lane: "batch" });
  expect(await (await again.open("billing", 1)).read()).toEqual({ kind: "known", nextSequence: 12 });
  await again.open("audit.eu-1", 3);
  expect(await again.list()).toEqual([
    { group: "audit.eu-1", cursor: { kind: "known", nextSequence: 3 } },
    { group: "billing", cursor: { kind: "known", nextSequence: 12 } },
  ]);
  await again.delete("billing");
  expect(again.names()).toEqual(["audit.eu-1"]);
  expect(new ConsumerGroups({ dataDir, lane: "realtime" }).names()).toEqual([]);
});

test("there are no more groups than the limit, and none whose name isn't a file's name", async () => {
  const groups = new ConsumerGroups({ dataDir, lane: "batch", maxGroups: 2 });
  await groups.open("a", 1);
  await groups.open("b", 1);
  await expect(groups.open("c", 1)).rejects.toMatchObject({ code: "ESC_GROUP_LIMIT" });
  await groups.open("a", 1);
  for (const name of ["", ".hidden", "../up", "a/b", "a b", "x".repeat(65), "a.new"]) {
    await expect(groups.open(name, 1)).rejects.toMatchObject({ code: "ESC_GROUP_NAME" });
    await expect(groups.delete(name)).rejects.toMatchObject({ code: "ESC_GROUP_NAME" });
  }
});

test("a broken cursor is told, keeps the whole log, and counts as the whole lag; an unfinished write is nobody's group", async () => {
  mkdirSync(join(dataDir, "groups", "batch"), { recursive: true });
  writeFileSync(join(dataDir, "groups", "batch", "broken"), "12 00000000\n");
  writeFileSync(join(dataDir, "groups", "batch", "half.new"), "12");
  const states = await new ConsumerGroups({ dataDir, lane: "batch" }).list();
  expect(states).toMatchObject([{ group: "broken", cursor: { kind: "broken" } }]);
  const [{ cursor }] = states as [(typeof states)[0]];
  expect([lagOf(cursor, 11, 101), earliest([cursor, { kind: "known", nextSequence: 50 }])]).toEqual([90, 1]);
});

test("the lag is what is still to come: none when it is up to date, and no more than the log holds", () => {
  const lag = (nextSequence: number) => lagOf({ kind: "known", nextSequence }, 11, 101);
  expect([lag(101), lag(100), lag(11), lag(3), lag(500)]).toEqual([0, 1, 90, 90, 0]);
  expect(earliest([])).toBeUndefined();
  expect(
    earliest([
      { kind: "known", nextSequence: 9 },
      { kind: "known", nextSequence: 4 },
    ]),
  ).toBe(4);
  expect(earliest([{ kind: "new" }])).toBe(1);
});

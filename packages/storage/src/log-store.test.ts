import { rmSync } from "node:fs";
import { afterEach, beforeEach } from "vitest";
import { MemoryLog, SegmentedLog } from "./index.ts";
import { logStoreContract } from "./log-store.fixture.ts";
import { testDirectory } from "./test-directory.fixture.ts";

let dir: string;
beforeEach(() => {
  dir = testDirectory("store");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

logStoreContract("a log in memory", () => new MemoryLog());
logStoreContract("a log in files", () => SegmentedLog.open({ dir, segmentBytes: 50 }));
logStoreContract("a log in files with room made ahead", () =>
  SegmentedLog.open({ dir, segmentBytes: 50, preallocateBytes: 4_096 }),
);

import { describe, expect, test } from "vitest";
import { type Case, parseCases, RECORDED, recording, recordings, value } from "../recorded/datadriven.ts";
import { describeProgressMap, parseChanges } from "../recorded/describe.ts";
import { describeConfig } from "./config.ts";
import { ConfChangeRefused } from "./errors.ts";
import { enterJoint, leaveJoint, type Membership, simpleChange } from "./membership.ts";
import { Tracker } from "./tracker.ts";

const files = recordings("confchange");

function change(tracker: Tracker, lastIndex: number, found: Case): Membership {
  const changes = parseChanges(found.input);
  if (found.command === "simple") return simpleChange(tracker, lastIndex, changes);
  if (found.command === "enter-joint") {
    return enterJoint(tracker, lastIndex, changes, value(found, "autoleave") === "true");
  }
  return leaveJoint(tracker);
}

function outcome(tracker: Tracker, lastIndex: number, found: Case): string {
  try {
    const { config, progress } = change(tracker, lastIndex, found);
    tracker.use(config, progress);
    return `${describeConfig(config)}\n${describeProgressMap(progress)}`.trimEnd();
  } catch (error) {
    if (error instanceof ConfChangeRefused) return error.message;
    throw error;
  }
}

describe.skipIf(files.length === 0)(`members change as was recorded of another implementation (${RECORDED})`, () => {
  test.each(files)("in every case of %s", (file) => {
    const tracker = new Tracker(10, 0);
    // The log grows by an entry with each command, so that a member's `next` tells when it came.
    parseCases(recording("confchange", file)).forEach((found, lastIndex) => {
      expect(outcome(tracker, lastIndex, found), `${file}:${found.line}`).toBe(found.expected.trimEnd());
    });
  });
});

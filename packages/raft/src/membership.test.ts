import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ConfChange, decodeConfChange, encodeConfChange, LEAVE_JOINT } from "./conf-change.ts";
import { isJoint, toConfState, votersOf } from "./config.ts";
import { ConfChangeRefused } from "./errors.ts";
import { changeMembers, checkMembers, enterJoint, leaveJoint, restoreMembers, simpleChange } from "./membership.ts";
import { Tracker } from "./tracker.ts";

const changes = fc.array(
  fc.record({
    kind: fc.constantFrom("addVoter" as const, "addLearner" as const, "remove" as const, "update" as const),
    node: fc.integer({ min: 1, max: 6 }),
  }),
  { maxLength: 4 },
);
const change: fc.Arbitrary<ConfChange> = fc.record({
  changes,
  transition: fc.constantFrom("auto" as const, "implicit" as const, "explicit" as const),
  context: fc.uint8Array({ maxLength: 4 }),
});

function trackerOf(...voters: number[]): Tracker {
  const tracker = new Tracker(8, 0);
  const state = { voters, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
  const { config, progress } = restoreMembers(tracker, 5, state);
  tracker.use(config, progress);
  return tracker;
}

function apply(tracker: Tracker, made: ConfChange): boolean {
  try {
    const { config, progress } = changeMembers(tracker, 9, made);
    tracker.use(config, progress);
    return true;
  } catch (error) {
    if (error instanceof ConfChangeRefused) return false;
    throw error;
  }
}

describe("changes of members", () => {
  test("leave a sound configuration with voters in it, whatever they are and in whatever order", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (made) => {
        const tracker = trackerOf(1, 2, 3);
        for (const each of made) {
          const before = { config: tracker.config, progress: tracker.progress };
          if (!apply(tracker, each)) expect({ config: tracker.config, progress: tracker.progress }).toEqual(before);
          checkMembers(tracker.config, tracker.progress);
          expect(tracker.config.incoming.size).toBeGreaterThan(0);
        }
      }),
    );
  });

  test("keep majorities of one configuration and the next in touch", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), (made) => {
        const tracker = trackerOf(1, 2, 3);
        for (const each of made) {
          const { config: old } = tracker;
          if (!apply(tracker, each)) continue;
          const next = tracker.config;
          // Whoever is elected by the old one without a single voter that a quorum of the next needs could commit beside it.
          const everyone = [...new Set([...votersOf(old), ...votersOf(next)])];
          for (let mask = 0; mask < 2 ** everyone.length; mask++) {
            const side = new Set(everyone.filter((_, n) => (mask >> n) & 1));
            const half = (set: ReadonlySet<number>, inside: boolean) =>
              [...set].filter((id) => side.has(id) === inside).length > Math.floor(set.size / 2) || set.size === 0;
            const wins = (config: typeof old, inside: boolean) =>
              half(config.incoming, inside) && half(config.outgoing, inside);
            expect(wins(old, true) && wins(next, false)).toBe(false);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  test("through a joint configuration come to what the changes one by one come to", () => {
    fc.assert(
      fc.property(changes, (made) => {
        const joint = trackerOf(1, 2, 3);
        const single = trackerOf(1, 2, 3);
        try {
          const entered = enterJoint(joint, 9, made, false);
          joint.use(entered.config, entered.progress);
        } catch {
          return;
        }
        const left = leaveJoint(joint);
        try {
          for (const each of made) {
            const next = simpleChange(single, 9, [each]);
            single.use(next.config, next.progress);
          }
        } catch {
          return;
        }
        expect(toConfState(left.config)).toEqual(toConfState(single.config));
      }),
    );
  });

  test("come back from a snapshot's state as they went in", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), (made) => {
        const tracker = trackerOf(1, 2, 3);
        for (const each of made) apply(tracker, each);
        const restored = restoreMembers(new Tracker(8, 0), 9, toConfState(tracker.config));
        expect(toConfState(restored.config)).toEqual(toConfState(tracker.config));
        expect(new Set(restored.progress.keys())).toEqual(new Set(tracker.progress.keys()));
        expect(isJoint(restored.config)).toBe(isJoint(tracker.config));
      }),
    );
  });
});

describe("the bytes of a change", () => {
  test("say what was written, and the empty change has none", () => {
    fc.assert(
      fc.property(change, (made) => {
        expect(decodeConfChange(encodeConfChange(made))).toEqual(made);
      }),
    );
    expect(encodeConfChange(LEAVE_JOINT)).toHaveLength(0);
  });

  test("are refused with a code, and nothing else is thrown, when they are any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
        try {
          decodeConfChange(bytes);
        } catch (error) {
          expect((error as ConfChangeRefused).code).toBe("ESC_RAFT_CONF_CHANGE");
        }
      }),
    );
  });
});

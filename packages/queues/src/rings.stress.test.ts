import { describe, expect, test } from "vitest";
import { KINDS, planRound } from "../torture/plan.ts";
import { runRound } from "../torture/round.ts";

describe.each(KINDS)("%s", (kind) => {
  test.each([1, 2, 3])(
    "on real threads, in a tiny ring (seed %i): every record arrives once, whole, in its producer's order",
    async (seed) => {
      await expect(runRound(planRound(kind, seed, 40_000))).resolves.toBeUndefined();
    },
  );
});

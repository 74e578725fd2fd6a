/**
 * Properties try the same inputs at every run, so that a suite which passed passes again. Other inputs are sought by
 * `npm run properties`, which gives a seed for each of its rounds.
 */
import fc from "fast-check";

const seed = Number(process.env.FAST_CHECK_SEED ?? 1);
if (!Number.isInteger(seed))
  throw new Error(`FAST_CHECK_SEED is a whole number, not "${process.env.FAST_CHECK_SEED}".`);
fc.configureGlobal({ seed });

import fc from "fast-check";
import { expect, test } from "vitest";
import { NO_RETRY, type RetryPolicy, retryDelayMs, retryPolicy } from "./retry-policy.ts";

const policy: RetryPolicy = { attempts: 5, delayMs: 100, factor: 2, maxDelayMs: 1_000, jitter: 0 };

test("waits double from the first delay up to the greatest", () => {
  const waits = [1, 2, 3, 4, 5, 6].map((failed) => retryDelayMs(policy, failed, () => 0.5));
  expect(waits).toEqual([100, 200, 400, 800, 1_000, 1_000]);
});

test("jitter takes a share of the wait away by chance, and never more than its share", () => {
  const half = { ...policy, jitter: 0.5 };
  expect([0, 0.5, 1].map((chance) => retryDelayMs(half, 1, () => chance))).toEqual([100, 75, 50]);
  expect(retryDelayMs({ ...policy, jitter: 1 }, 1, () => 1)).toBe(0);
});

test("a wait is never negative, never over the greatest, for any policy and any number of attempts", () => {
  fc.assert(
    fc.property(
      fc.record({
        attempts: fc.integer({ min: 1, max: 1_000 }),
        delayMs: fc.double({ min: 0, max: 86_400_000, noNaN: true }),
        factor: fc.double({ min: 1, max: 100, noNaN: true }),
        maxDelayMs: fc.double({ min: 0, max: 86_400_000, noNaN: true }),
        jitter: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      fc.integer({ min: 1, max: 1_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (any, failed, chance) => {
        const wait = retryDelayMs(any, failed, () => chance);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThanOrEqual(any.maxDelayMs);
      },
    ),
  );
});

test("what is given goes over what it is otherwise", () => {
  expect(retryPolicy({ attempts: 3 }, policy)).toEqual({ ...policy, attempts: 3 });
  expect(retryPolicy({}, NO_RETRY)).toEqual(NO_RETRY);
});

test.each([
  [{ attempts: 0 }, "`attempts` takes a whole number from 1 to 1000, not 0"],
  [{ attempts: 2.5 }, "`attempts` takes a whole number"],
  [{ factor: 0.5 }, "`factor` takes a number from 1 to 100"],
  [{ jitter: 2 }, "`jitter` takes a number from 0 to 1"],
  [{ delayMs: Number.NaN }, "`delayMs` takes"],
  [{ maxDelayMs: "1s" }, "`maxDelayMs` takes"],
  [{ tries: 3 }, "there is no `tries`"],
])("%o is refused with the place and the range", (given, message) => {
  expect(() => retryPolicy(given as Partial<RetryPolicy>, policy, "orders.js: retry")).toThrow(
    expect.objectContaining({ code: "ESC_RETRY_POLICY", message: expect.stringContaining(message) }),
  );
  expect(() => retryPolicy(given as Partial<RetryPolicy>, policy, "orders.js: retry")).toThrow("orders.js: retry");
});

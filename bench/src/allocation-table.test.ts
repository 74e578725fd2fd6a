import { expect, test } from "vitest";
import { allocatesNothing, allocationTable, measureAllocation } from "./allocation-table.ts";

/** Less than an object of 16 bytes in every batch of 64. Compilers may still add a few kilobytes to so few operations. */
const LEAST_SEEN = 0.1;

test("no operation of the queues and the pool allocates; one that does would be seen", async () => {
  const all = await measureAllocation(1_000_000);
  const control = all.filter(({ operation }) => operation.startsWith("control"));
  const allocating = all.filter((one) => one.collections > 0 || one.bytesPerOperation >= LEAST_SEEN);
  expect(all.length).toBeGreaterThan(10);
  expect(control).toHaveLength(1);
  expect(allocating).toEqual(control);
});

test("growth that rounds to 0.00 bytes is none; with a collection in between nothing can be said", () => {
  const one = { operation: "push", operations: 1e7, bytesPerOperation: 0.004, collections: 0 };
  expect(allocatesNothing(one)).toBe(true);
  expect(allocatesNothing({ ...one, bytesPerOperation: 0.005 })).toBe(false);
  expect(allocatesNothing({ ...one, collections: 1 })).toBe(false);
  expect(allocationTable([{ ...one, bytesPerOperation: 16 }])).toContain("| 16.00      | 0           | not reached");
});

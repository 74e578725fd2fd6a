import fc from "fast-check";
import { expect, test } from "vitest";
import { Inflights } from "./inflights.ts";

const step = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), entries: fc.integer({ min: 1, max: 3 }), bytes: fc.nat({ max: 50 }) }),
  fc.record({ kind: fc.constant("free" as const), behind: fc.nat({ max: 6 }) }),
  fc.record({ kind: fc.constant("reset" as const) }),
);

test("a window of appends is what a list of them would be, and is full at its count or its bytes", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.constantFrom(0, 60, 200),
      fc.array(step, { maxLength: 120 }),
      (maxMessages, maxBytes, steps) => {
        const window = new Inflights(maxMessages, maxBytes);
        let model: { last: number; bytes: number }[] = [];
        let last = 0;
        for (const each of steps) {
          if (each.kind === "reset") {
            window.reset();
            model = [];
          } else if (each.kind === "free") {
            window.freeThrough(last - each.behind);
            model = model.filter((one) => one.last > last - each.behind);
          } else if (!window.full) {
            last += each.entries;
            window.add(last, each.bytes);
            model.push({ last, bytes: each.bytes });
          } else {
            expect(() => window.add(last + 1, 0)).toThrow(expect.objectContaining({ code: "ESC_RAFT_INVARIANT" }));
          }
          const bytes = model.reduce((sum, one) => sum + one.bytes, 0);
          expect([window.count, window.bytes]).toEqual([model.length, bytes]);
          expect(window.full).toBe(model.length >= maxMessages || (maxBytes > 0 && bytes >= maxBytes));
        }
      },
    ),
  );
});

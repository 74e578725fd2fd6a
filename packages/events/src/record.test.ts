import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeMetadata, encodeMetadata, laneOf, PRIORITY_NAMES, paddedLength } from "./index.ts";

test("metadata comes back as it went in", () => {
  const entries = fc.uniqueArray(
    fc.tuple(fc.string({ minLength: 1, maxLength: 20 }), fc.uint8Array({ maxLength: 300 })),
    {
      selector: ([key]) => key,
      maxLength: 20,
    },
  );
  fc.assert(
    fc.property(entries, (all) => {
      expect([...decodeMetadata(encodeMetadata(all))]).toEqual(all);
    }),
  );
});

test("a block of anybody's bytes decodes to something and never throws", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => decodeMetadata(bytes).size >= 0));
});

test("entries beyond 65,535 bytes are left out whole", () => {
  const big = new Uint8Array(60_000);
  const block = encodeMetadata([
    ["first", big],
    ["second", big],
  ]);
  expect([...decodeMetadata(block).keys()]).toEqual(["first"]);
});

test("priorities go to their lanes", () => {
  expect(PRIORITY_NAMES.map((_, priority) => laneOf(priority as 0 | 1 | 2 | 3 | 4))).toEqual([2, 1, 1, 0, 0]);
});

test("records are padded to a multiple of 8", () => {
  expect([32, 33, 39, 40].map(paddedLength)).toEqual([32, 40, 40, 40]);
});

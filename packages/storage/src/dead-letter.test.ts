import { decodeMetadata } from "@esc/events";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type DeadLetter, decodeDeadLetter, encodeDeadLetter } from "./index.ts";

const letter: DeadLetter = {
  lane: "transactional",
  sequence: 42,
  reason: "handler_failed",
  error: "Error: boom\n    at handle",
  attempts: 3,
  firstAtMs: 1_700_000_000_000,
  lastAtMs: 1_700_000_009_000,
};
const decode = (block: Uint8Array) => decodeDeadLetter(decodeMetadata(block));

test("a dead letter says why, where from and when, beside the event's own metadata, whatever their keys are", () => {
  const entry = fc.tuple(
    fc.oneof(fc.string({ minLength: 1, maxLength: 20 }), fc.constantFrom("dl.reason", "dl.lane", "dl.own.x", "dl.")),
    fc.uint8Array({ maxLength: 50 }),
  );
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
      const own = new Map(entries.map(([key, value]) => [Buffer.from(key).toString(), Uint8Array.from(value)]));
      expect(decode(encodeDeadLetter(letter, own))).toEqual({ letter, own });
    }),
  );
});

test("where both don't fit, the error's text gives way first, then the last of the event's own entries", () => {
  const own = (bytes: number) => new Map([...["a", "b"].map((key) => [key, new Uint8Array(bytes)] as const)]);
  const almost = decode(encodeDeadLetter({ ...letter, error: "x".repeat(5_000) }, own(32_600)));
  expect([almost?.letter.error, almost?.own.size]).toEqual(["", 2]);
  const full = encodeDeadLetter(letter, own(32_760));
  expect(full.length).toBeLessThanOrEqual(65_535);
  expect([decode(full)?.letter.reason, [...(decode(full)?.own.keys() ?? [])]]).toEqual(["handler_failed", ["a"]]);
});

test("an error's text is kept up to 1,024 characters", () => {
  expect(decode(encodeDeadLetter({ ...letter, error: "x".repeat(5_000) }, new Map()))?.letter.error).toHaveLength(
    1_024,
  );
});

test("an event that is no dead letter is none", () => {
  expect(decodeDeadLetter(new Map([["trace", Buffer.from("1")]]))).toBeUndefined();
});

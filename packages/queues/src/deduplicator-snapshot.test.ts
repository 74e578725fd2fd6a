import { Arena } from "@esc/arena";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readSnapshot } from "./deduplicator-snapshot.ts";
import { Deduplicator, type DeduplicatorOptions } from "./index.ts";

const NOW = 1_700_000_000_000;

function make(options: DeduplicatorOptions): Deduplicator {
  return Deduplicator.create(Arena.create({ bytes: Deduplicator.bytesFor(options) }), "d", options);
}

function id(n: number, half = 8): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(half, n);
  return bytes;
}

const whole = (dedup: Deduplicator): Buffer => Buffer.concat([...dedup.snapshot()]);
const code = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return "nothing thrown";
};

/** Cuts bytes at the given places. */
function pieces(bytes: Buffer, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

test("what is restored answers as the original does, at every later time, however the bytes are cut", () => {
  const offers = fc.array(fc.tuple(fc.nat(60), fc.constantFrom(0, 8), fc.integer({ min: -3, max: 40 })), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(offers, fc.array(fc.nat()), fc.integer({ min: 3, max: 6 }), (offers, cuts, generations) => {
      const options = { capacity: 50, windowMs: 300, generations };
      using original = make(options);
      let now = NOW;
      for (const [n, half, step] of offers) {
        now += step;
        original.checkAndInsert(id(n, half), now);
      }
      // Room for all: a smaller one may forget early, and says so.
      using restored = make({ ...options, capacity: 200, generations: 4 });
      const live = original.liveIds(now);
      expect(restored.restore(pieces(whole(original), cuts), now)).toBe(live);
      expect(restored.statistics(now)).toMatchObject({ inserts: live, forgottenEarly: 0 });
      for (const later of [0, 1, 50, 299, 300, 301]) {
        for (let n = 0; n <= 60; n++) {
          for (const half of [0, 8]) {
            expect(restored.has(id(n, half), now + later)).toBe(original.has(id(n, half), now + later));
          }
        }
      }
    }),
    { numRuns: 60 },
  );
});

test("a snapshot that is taken chunk by chunk while ids come in holds every id that was there before and is there after", () => {
  fc.assert(
    fc.property(fc.nat(2_500), fc.nat(900), (before, perChunk) => {
      using dedup = make({ capacity: 2_000, windowMs: 1_000 });
      for (let n = 0; n < before; n++) dedup.checkAndInsert(id(n), NOW);
      const chunks: Uint8Array[] = [];
      let next = before;
      for (const chunk of dedup.snapshot()) {
        chunks.push(chunk);
        for (let i = 0; i < perChunk; i++) dedup.checkAndInsert(id(next++), NOW);
      }
      using restored = make({ capacity: 10_000, windowMs: 1_000 });
      restored.restore(chunks, NOW);
      for (let n = 0; n < next; n++) {
        if (n < before && dedup.has(id(n), NOW)) expect(restored.has(id(n), NOW)).toBe(true);
      }
    }),
    { numRuns: 30 },
  );
});

test("ids out of the window are not restored; of more than fit, the newest stay and the rest is counted", () => {
  using original = make({ capacity: 100, windowMs: 1_000 });
  for (let n = 0; n < 50; n++) original.checkAndInsert(id(n), NOW);
  for (let n = 50; n < 100; n++) original.checkAndInsert(id(n), NOW + 500);
  const snapshot = whole(original);
  using later = make({ capacity: 100, windowMs: 1_000 });
  expect(later.restore([snapshot], NOW + 1_001)).toBe(50);
  using small = make({ capacity: 20, windowMs: 1_000 });
  expect(small.restore([snapshot], NOW + 500)).toBe(100);
  const { forgottenEarly } = small.statistics(NOW + 500);
  expect(small.liveIds(NOW + 500)).toBe(100 - forgottenEarly);
  expect(small.has(id(0), NOW + 500)).toBe(false);
});

test("an id that is in both is remembered by its later acceptance", () => {
  using original = make({ capacity: 10, windowMs: 1_000 });
  original.checkAndInsert(id(1), NOW + 400);
  original.checkAndInsert(id(2), NOW);
  using target = make({ capacity: 10, windowMs: 1_000 });
  target.checkAndInsert(id(1), NOW);
  target.checkAndInsert(id(2), NOW + 400);
  target.restore(original.snapshot(), NOW + 400);
  for (const n of [1, 2]) {
    expect(target.has(id(n), NOW + 1_400)).toBe(true);
    expect(target.has(id(n), NOW + 1_401)).toBe(false);
  }
});

test("a snapshot of nothing restores nothing", () => {
  using empty = make({ capacity: 10 });
  using target = make({ capacity: 10 });
  expect(target.restore(empty.snapshot(), NOW)).toBe(0);
});

test("a snapshot of another version is refused by name", () => {
  using dedup = make({ capacity: 10 });
  const snapshot = whole(dedup);
  snapshot.writeUInt32LE(2, 4);
  expect(code(() => dedup.restore([snapshot], NOW))).toBe("ESC_DEDUP_SNAPSHOT_VERSION");
});

test("any damage is an error, and nothing of a damaged snapshot is restored", () => {
  using original = make({ capacity: 600 });
  for (let n = 0; n < 600; n++) original.checkAndInsert(id(n), NOW);
  const good = whole(original);
  using target = make({ capacity: 600 });
  const damage = fc.oneof(
    fc.record({
      kind: fc.constant("flip" as const),
      at: fc.nat(good.length - 1),
      by: fc.integer({ min: 1, max: 255 }),
    }),
    fc.record({ kind: fc.constant("cut" as const), at: fc.nat(good.length - 1) }),
    fc.record({ kind: fc.constant("append" as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
    fc.record({ kind: fc.constant("any" as const), bytes: fc.uint8Array({ maxLength: 200 }) }),
  );
  fc.assert(
    fc.property(damage, (damage) => {
      let bytes = Buffer.from(good);
      if (damage.kind === "flip") bytes[damage.at] = (bytes[damage.at] as number) ^ damage.by;
      if (damage.kind === "cut") bytes = bytes.subarray(0, damage.at);
      if (damage.kind === "append") bytes = Buffer.concat([bytes, damage.bytes]);
      if (damage.kind === "any") bytes = Buffer.from(damage.bytes);
      expect(code(() => target.restore([bytes], NOW))).toMatch(/^ESC_DEDUP_SNAPSHOT(_VERSION)?$/);
      expect(target.statistics(NOW).inserts).toBe(0);
    }),
    { numRuns: 400 },
  );
});

test("bytes with a right CRC-32 but wrong inside are refused too", async () => {
  const { crc32 } = await import("node:zlib");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(3), fc.double(), (body, blocks, total) => {
      const head = Buffer.from("ESCD\x01\0\0\0", "latin1");
      const end = Buffer.alloc(16);
      end.writeDoubleLE(total, 4);
      const bytes = Buffer.concat([head, Buffer.from([blocks, 0, 0, 0]), body, end]);
      bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
      let entries = 0;
      try {
        for (const block of readSnapshot([bytes])) entries += block.length / 24;
      } catch (error) {
        expect(error).toMatchObject({ code: "ESC_DEDUP_SNAPSHOT" });
        return;
      }
      // What is taken is whole.
      expect(entries).toBe(total);
    }),
    { numRuns: 400 },
  );
});

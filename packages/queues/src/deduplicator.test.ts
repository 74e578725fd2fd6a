import { Arena } from "@esc/arena";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Deduplicator, type DeduplicatorOptions } from "./index.ts";

function make(options: DeduplicatorOptions, name = "d"): Deduplicator {
  return Deduplicator.create(Arena.create({ bytes: Deduplicator.bytesFor(options) }), name, options);
}

/** An id from two numbers: 0 makes a half of zeros. */
function id(hi: number, lo: number): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(lo, 0);
  bytes.writeUInt32LE(hi, 8);
  return Uint8Array.from(bytes);
}

const join = (ids: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(ids));
const code = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return "nothing thrown";
};

/** A key without masks: ids with halves of 0 stay what they are, in buckets of their own. */
const plainKey = Uint8Array.from({ length: 56 }, (_, i) => (i < 16 ? 0 : (i * 89) & 255));
/** Times of a generation are within 2^30 ms of its start. */
const RANGE = 2 ** 30;

/**
 * What a deduplicator does, as plainly as it can be said: acceptances in maps from id to time, and the rule that says when a
 * map is given up. An id that was accepted again stays in the older map, too: a clock that goes back may ask for it there.
 */
class Oracle {
  #generations: Map<string, number>[] = [new Map()];
  #start: number | undefined;
  rotations = 0;
  inserts = 0;
  duplicates = 0;
  forgotten = 0;
  forgottenUpTo = Number.NEGATIVE_INFINITY;
  readonly options: Required<Pick<DeduplicatorOptions, "capacity" | "windowMs" | "generations">>;

  constructor(options: Required<Pick<DeduplicatorOptions, "capacity" | "windowMs" | "generations">>) {
    this.options = options;
  }

  has(key: string, now: number): boolean {
    return this.#generations.some((generation) => now - (generation.get(key) ?? -Infinity) <= this.options.windowMs);
  }

  live(now: number): number {
    return new Set(
      this.#generations.flatMap((generation) => [...generation.keys()].filter((key) => this.has(key, now))),
    ).size;
  }

  offer(key: string, now: number): boolean {
    this.#start ??= now;
    const offset = now - this.#start + RANGE;
    const current = this.#generations.at(-1) as Map<string, number>;
    const full = current.size >= Math.ceil(this.options.capacity / (this.options.generations - 2));
    if (full || offset < 0 || offset >= 2 * RANGE - 1) this.#rotate(now);
    if (this.has(key, now)) {
      this.duplicates++;
      return false;
    }
    this.inserts++;
    this.#generations.at(-1)?.set(key, now);
    return true;
  }

  #rotate(now: number): void {
    this.rotations++;
    this.#start = now;
    this.#generations.push(new Map());
    if (this.#generations.length < this.options.generations) return;
    for (const time of this.#generations.shift()?.values() ?? []) {
      if (now - time > this.options.windowMs) continue;
      this.forgotten++;
      this.forgottenUpTo = Math.max(this.forgottenUpTo, time);
    }
  }
}

const half = fc.constantFrom(0, 1, 2, 0xffffffff);
const anyId = fc.tuple(half, half);
const step = fc.oneof(
  { weight: 30, arbitrary: fc.integer({ min: -3, max: 20 }) },
  { weight: 1, arbitrary: fc.constantFrom(RANGE - 2, RANGE, -RANGE, -RANGE - 2, 3 * RANGE) },
);
const command = fc.record({
  kind: fc.constantFrom("one", "many", "has", "hasMany"),
  ids: fc.array(anyId, { minLength: 1, maxLength: 40 }),
  step,
});
const sizes = fc.record({
  capacity: fc.integer({ min: 1, max: 14 }),
  generations: fc.integer({ min: 3, max: 6 }),
  windowMs: fc.integer({ min: 1, max: 60 }),
  masked: fc.boolean(),
});

test("answers, counts and early forgets are those of a map with times, whatever is offered and whenever", () => {
  fc.assert(
    fc.property(sizes, fc.array(command, { maxLength: 60 }), ({ masked, ...options }, commands) => {
      using dedup = make(masked ? options : { ...options, key: plainKey });
      const oracle = new Oracle(options);
      let now = 1_700_000_000_000;
      let time = now;
      for (const { kind, ids, step } of commands) {
        now += step;
        time = Math.max(time, now);
        const keys = ids.map((pair) => pair.join());
        const bytes = ids.map(([hi, lo]) => id(hi, lo));
        const flags = new Uint8Array(ids.length);
        if (kind === "one") {
          expect(dedup.checkAndInsert(bytes[0] as Uint8Array, now)).toBe(oracle.offer(keys[0] as string, now));
        } else if (kind === "has") {
          expect(dedup.has(bytes[0] as Uint8Array, now)).toBe(oracle.has(keys[0] as string, now));
        } else if (kind === "many") {
          const expected = keys.map((key) => Number(oracle.offer(key, now)));
          expect(dedup.checkAndInsertMany(join(bytes), now, flags)).toBe(expected.reduce((a, b) => a + b, 0));
          expect([...flags]).toEqual(expected);
        } else {
          const expected = keys.map((key) => Number(oracle.has(key, now)));
          expect(dedup.hasMany(join(bytes), now, flags)).toBe(expected.reduce((a, b) => a + b, 0));
          expect([...flags]).toEqual(expected);
        }
        const { inserts, duplicates, forgottenEarly, rotations, effectiveWindowMs } = dedup.statistics(now);
        expect({ inserts, duplicates, forgottenEarly, rotations }).toEqual({
          inserts: oracle.inserts,
          duplicates: oracle.duplicates,
          forgottenEarly: oracle.forgotten,
          rotations: oracle.rotations,
        });
        const safe = Math.max(0, Math.min(options.windowMs, now - oracle.forgottenUpTo - 1));
        expect(effectiveWindowMs).toBe(safe);
      }
      if (time <= now) expect(dedup.liveIds(now)).toBe(oracle.live(now));
    }),
    { numRuns: 400 },
  );
});

test("an id is forgotten early only when as many others as the capacity have been accepted since", () => {
  const sized = fc.record({ capacity: fc.integer({ min: 1, max: 300 }), generations: fc.integer({ min: 3, max: 16 }) });
  fc.assert(
    fc.property(sized, fc.integer({ min: 0, max: 700 }), (options, before) => {
      using dedup = make(options);
      for (let i = 0; i < before; i++) dedup.checkAndInsert(id(1, i), 5);
      dedup.checkAndInsert(id(2, 0), 5);
      for (let i = 1; i < options.capacity; i++) dedup.checkAndInsert(id(2, i), 5);
      expect(dedup.has(id(2, 0), 5)).toBe(true);
      expect(dedup.checkAndInsert(id(2, 0), 5)).toBe(false);
    }),
    { numRuns: 60 },
  );
});

test("an id is remembered to the last ms of the window, and a duplicate does not renew it", () => {
  using dedup = make({ capacity: 10, windowMs: 1_000 });
  expect(dedup.checkAndInsert(id(7, 7), 5_000)).toBe(true);
  expect(dedup.checkAndInsert(id(7, 7), 5_999)).toBe(false);
  expect(dedup.checkAndInsert(id(7, 7), 6_000)).toBe(false);
  expect(dedup.has(id(7, 7), 6_001)).toBe(false);
  expect(dedup.checkAndInsert(id(7, 7), 6_001)).toBe(true);
  expect(dedup.checkAndInsert(id(7, 7), 7_001)).toBe(false);
});

test("more than 1,024 ids in one call are one call for the caller", () => {
  using dedup = make({ capacity: 5_000 });
  const ids = join(Array.from({ length: 3_000 }, (_, i) => id(i % 1_500, 9)));
  const isNew = new Uint8Array(3_000).fill(7);
  expect(dedup.checkAndInsertMany(ids, 1, isNew)).toBe(1_500);
  expect(isNew.every((flag, i) => flag === (i < 1_500 ? 1 : 0))).toBe(true);
  expect(dedup.hasMany(ids, 1, isNew)).toBe(3_000);
});

test("statistics tell each generation's ids and the times of its acceptances, oldest generation first", () => {
  using dedup = make({ capacity: 4 });
  for (let i = 0; i < 5; i++) dedup.checkAndInsert(id(1, i), 100 + i);
  const { generations, oldestMs, effectiveWindowMs } = dedup.statistics(200);
  expect(generations).toEqual([
    { number: 0, ids: 2, oldestMs: 100, newestMs: 101 },
    { number: 1, ids: 2, oldestMs: 102, newestMs: 103 },
    { number: 2, ids: 1, oldestMs: 104, newestMs: 104 },
  ]);
  expect([oldestMs, effectiveWindowMs]).toEqual([100, 3_600_000]);
});

test("ids before the first are empty statistics", () => {
  using dedup = make({ capacity: 4 });
  expect(dedup.statistics(0)).toMatchObject({ oldestMs: undefined, inserts: 0, duplicates: 0, forgottenEarly: 0 });
});

test("what is wrong with a call is said by a code", () => {
  const arena = Arena.create({ bytes: Deduplicator.bytesFor({ capacity: 8, threads: 2 }) });
  const dedup = Deduplicator.create(arena, "d", { capacity: 8, threads: 2 });
  expect(code(() => dedup.checkAndInsert(new Uint8Array(15), 1))).toBe("ESC_DEDUP_ID");
  expect(code(() => dedup.checkAndInsertMany(new Uint8Array(17), 1, new Uint8Array(2)))).toBe("ESC_DEDUP_ID");
  expect(code(() => dedup.hasMany(new Uint8Array(32), 1, new Uint8Array(1)))).toBe("ESC_DEDUP_ID");
  expect(code(() => dedup.checkAndInsert(id(1, 1), Number.NaN))).toBe("ESC_DEDUP_TIME");
  expect(code(() => dedup.evict(dedup.slot))).toBe("ESC_DEDUP_SLOT");
  expect(code(() => dedup.evict(2))).toBe("ESC_DEDUP_SLOT");
  for (const options of [
    { capacity: 0 },
    { capacity: 1.5 },
    { capacity: 8, windowMs: 0 },
    { capacity: 8, windowMs: 2 ** 30 + 1 },
    { capacity: 8, generations: 2 },
    { capacity: 8, threads: 65 },
    { capacity: 8, key: new Uint8Array(55) },
  ]) {
    expect(code(() => Deduplicator.create(arena, "x", options))).toBe("ESC_DEDUP_OPTIONS");
  }
  expect(code(() => Deduplicator.attach(arena, "y"))).toBe("ESC_ARENA_REGION_UNKNOWN");
});

test("an instance's slot is free again when it is disposed of, and the instance is closed", () => {
  const options = { capacity: 8, threads: 2 };
  const arena = Arena.create({ bytes: Deduplicator.bytesFor(options) });
  const first = Deduplicator.create(arena, "d", options);
  {
    using second = Deduplicator.attach(arena, "d");
    expect(second.checkAndInsert(id(1, 1), 1)).toBe(true);
    expect(first.checkAndInsert(id(1, 1), 1)).toBe(false);
    expect(code(() => Deduplicator.attach(arena, "d"))).toBe("ESC_DEDUP_THREADS");
    expect(first.participants()).toEqual([
      { slot: 0, inOperation: false },
      { slot: 1, inOperation: false },
    ]);
  }
  const third = Deduplicator.attach(arena, "d");
  expect(third.slot).toBe(1);
  third[Symbol.dispose]();
  third[Symbol.dispose]();
  expect(code(() => third.has(id(1, 1), 1))).toBe("ESC_DEDUP_DISPOSED");
  expect(code(() => third.statistics(1))).toBe("ESC_DEDUP_DISPOSED");
  expect(first.statistics(1).inserts).toBe(1);
});

test("the bytes that are documented are the bytes that are taken", () => {
  for (const options of [{ capacity: 1 }, { capacity: 1_000_000 }, { capacity: 999, generations: 7, threads: 3 }]) {
    const bytes = Deduplicator.bytesFor(options);
    const arena = Arena.create({ bytes: bytes });
    const free = arena.freeBytes;
    Deduplicator.create(arena, "d", options);
    expect(free - arena.freeBytes).toBeLessThanOrEqual(bytes);
    expect(bytes - (free - arena.freeBytes)).toBeLessThanOrEqual(256);
  }
  const perId = Deduplicator.bytesFor({ capacity: 1_000_000 }) / 1_000_000;
  expect(perId).toBeGreaterThan(60);
  expect(perId).toBeLessThan(62);
});

import { Arena, BytesView } from "@esc/arena";
import fc from "fast-check";
import { expect, test } from "vitest";
import { BlockPool } from "./index.ts";

/** The pool as one would write it without threads: a set of what is out, each with the serial written into its block. */
interface Model {
  readonly out: Map<number, number>;
  serial: number;
}

type Action =
  | { readonly kind: "acquire"; readonly by: number; readonly count: number }
  | { readonly kind: "release"; readonly by: number; readonly count: number; readonly from: number }
  | { readonly kind: "reattach"; readonly by: number };

const USERS = 3;
const actions = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant("acquire" as const), by: fc.nat(USERS - 1), count: fc.nat(9) }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("release" as const),
        by: fc.nat(USERS - 1),
        count: fc.nat(9),
        from: fc.nat(1_000),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("reattach" as const), by: fc.nat(USERS - 1) }) },
  ) as fc.Arbitrary<Action>,
  { maxLength: 60 },
);
const sizes = fc
  .record({
    maxBlocks: fc.integer({ min: 1, max: 24 }),
    slab: fc.double({ min: 0, max: 1, noNaN: true }),
    magazineBlocks: fc.nat(6),
    debug: fc.boolean(),
  })
  .map(({ slab, ...rest }) => ({ ...rest, slabBlocks: Math.max(1, Math.round(slab * rest.maxBlocks)), blockBytes: 8 }));

test("whatever is acquired and released by whom, one by one or in batches, the pool answers as a plain free list", () => {
  fc.assert(
    fc.property(sizes, actions, (options, script) => {
      const arena = Arena.create({ bytes: BlockPool.bytesFor(options) });
      const users = [BlockPool.create(arena, "p", options)];
      while (users.length < USERS) users.push(BlockPool.attach(arena, "p"));
      const view = new BytesView(arena);
      const model: Model = { out: new Map(), serial: 0 };
      for (const action of script) run(action, users, arena, view, model);

      const pool = users[0] as BlockPool;
      expect(pool.stats().outBlocks).toBe(model.out.size);
      if (options.debug) {
        const listed = pool.outstanding().map(({ handle }) => handle);
        expect(listed.sort((a, b) => a - b)).toEqual([...model.out.keys()].sort((a, b) => a - b));
      }
      pool.releaseMany([...model.out.keys()], model.out.size);
      for (const user of users) user[Symbol.dispose]();
      const last = BlockPool.attach(arena, "p");
      const all: number[] = [];
      expect(last.acquireMany(all, options.maxBlocks + 1)).toBe(options.maxBlocks);
      expect(new Set(all).size).toBe(options.maxBlocks);
    }),
    { numRuns: 300 },
  );
});

function run(action: Action, users: BlockPool[], arena: Arena, view: BytesView, model: Model): void {
  const user = users[action.by] as BlockPool;
  const { maxBlocks, magazineBlocks } = user.stats();
  switch (action.kind) {
    case "acquire": {
      const handles: number[] = [];
      const mine = Math.min(action.count, 1);
      const got = action.count === mine ? acquireOne(user, handles, mine) : user.acquireMany(handles, action.count);
      // Full means that what it didn't get is out or lies in the others' magazines.
      if (got < action.count) {
        expect(model.out.size + got + user.stats().magazineBlocks).toBe(maxBlocks);
        expect(user.stats().magazineBlocks).toBeLessThanOrEqual(magazineBlocks);
      }
      for (const handle of handles.slice(0, got)) {
        expect(model.out.has(handle)).toBe(false);
        model.out.set(handle, ++model.serial);
        user.view(handle, view).setFloat64(0, model.serial);
      }
      break;
    }
    case "release": {
      const out = [...model.out];
      const chosen = out.slice(action.from % Math.max(1, out.length)).slice(0, action.count);
      // Nobody else was given the block meanwhile: its serial is still there.
      for (const [handle, serial] of chosen) expect(user.view(handle, view).getFloat64(0)).toBe(serial);
      const handles = chosen.map(([handle]) => handle);
      if (handles.length === 1) user.release(handles[0] as number);
      else user.releaseMany(handles, handles.length);
      for (const handle of handles) model.out.delete(handle);
      break;
    }
    default:
      user[Symbol.dispose]();
      users[action.by] = BlockPool.attach(arena, "p");
  }
}

function acquireOne(pool: BlockPool, into: number[], count: number): number {
  if (count === 0) return 0;
  const handle = pool.acquire();
  if (handle < 0) return 0;
  into.push(handle);
  return 1;
}

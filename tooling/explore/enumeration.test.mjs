import fc from "fast-check";
import { expect, test } from "vitest";
import { explore } from "./index.mjs";

/**
 * The explorer leaves out what can't make a difference. So its ends are compared with those of a plain enumeration, which
 * leaves out nothing: of random programs of `assembly/model/program.ts`, words 0 and 1 behind a store buffer.
 */
const WORDS = 4;
const BUFFERED_WORDS = 2;

/** All ends of the programs: their words, and what each thread saw. */
function enumerate(programs) {
  const ends = new Set();
  const visited = new Set();
  const go = (state) => {
    const key = JSON.stringify(state);
    if (visited.has(key)) return;
    visited.add(key);
    let stuck = true;
    for (let i = 0; i < programs.length; i++) {
      for (const next of steps(state, i)) {
        stuck = false;
        go(next);
      }
    }
    if (stuck) ends.add([...state.words, ...state.threads.map(({ log }) => log)].join(" "));
  };
  const steps = (state, i) => {
    const found = [];
    const copy = () => {
      const next = structuredClone(state);
      return { next, thread: next.threads[i] };
    };
    const { buffer, left } = state.threads[i];
    for (const [at, { word, value }] of buffer.entries()) {
      if (buffer.findIndex((store) => store.word === word) !== at) continue;
      const { next, thread } = copy();
      next.words[word] = value;
      thread.buffer.splice(at, 1);
      found.push(next);
    }
    if (left === 0) return found;
    const { next, thread } = copy();
    thread.left >>>= 8;
    const what = left & 7;
    const word = (left >>> 3) & 3;
    const value = (left >>> 5) & 7;
    if (what === 6 && word < BUFFERED_WORDS) {
      thread.buffer.push({ word, value });
      return found.concat(next);
    }
    if (what >= 2 && what <= 4 && buffer.length > 0) return found;
    const before = buffer.findLast((store) => store.word === word)?.value ?? next.words[word];
    if (what === 2 || what === 6) next.words[word] = value;
    else {
      if (what === 3) next.words[word] = before + value;
      if (what === 4 && before === thread.seen) next.words[word] = value;
      thread.seen = before;
      thread.log = (Math.imul(thread.log, 31) + before + 1) >>> 0;
    }
    return found.concat(next);
  };
  go({
    words: new Array(WORDS).fill(0),
    threads: programs.map((program) => ({ left: program, buffer: [], seen: 0, log: 0 })),
  });
  return [...ends].sort();
}

const operation = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: WORDS - 1 }), fc.integer({ min: 0, max: 7 }))
  .map(([what, word, value]) => what | (word << 3) | (value << 5));
const program = (length) =>
  fc
    .array(operation, { minLength: 1, maxLength: length })
    .map((operations) => operations.reduceRight((code, byte) => ((code << 8) | byte) >>> 0, 0));
const pair = fc.tuple(program(4), program(4));
const triple = fc.tuple(program(2), program(2), program(2));

test("it finds the ends that enumeration finds, of any two or three short programs", async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(pair, triple), async (programs) => {
      const ends = new Set();
      await explore({
        model: new URL("assembly/model/program.ts", import.meta.url),
        memoryBytes: 32,
        threads: programs.map((program, me) => ["run", me, program]),
        buffered: [0, 4 * BUFFERED_WORDS],
        splitPlain: [0, 4 * WORDS],
        checkEnd: (view) => {
          const numbers = [0, 4, 8, 12, ...programs.map((_, me) => 16 + 4 * me)].map((at) => view.getUint32(at));
          ends.add(numbers.join(" "));
        },
      });
      expect([...ends].sort()).toEqual(enumerate(programs));
    }),
    { numRuns: 150, seed: 1 },
  );
});

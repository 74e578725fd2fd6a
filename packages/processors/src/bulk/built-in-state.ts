/** What built-ins have come to, in shared memory: `assembly/built-ins.ts` has the layout. Any thread reads it. */

import type { Arena } from "@esc/arena";
import { regionAddress } from "@esc/arena/kernel";
import { BUILT_IN_KINDS, type BuiltIn, type BuiltInKind, FIELD_TYPES, MAX_BOUNDS, MAX_BUILT_INS } from "./built-in.ts";

const HEADER = 64;
const EACH = 648;
const BYTES = HEADER + EACH * MAX_BUILT_INS;
const BOUNDS = 128;
const BUCKETS = 384;

/** What one built-in has counted. All zeros at the start of the server. */
export interface BuiltInResult {
  readonly name: string;
  readonly kind: BuiltInKind;
  /** Events that passed the filter. */
  readonly matched: number;
  /** Of them sampled, with a value where the kind has a field. */
  readonly counted: number;
  /** Sampled, but the payload ends before the field does. */
  readonly tooShort: number;
  /** Sampled, but the value is not a number or infinite. */
  readonly notFinite: number;
  /** Of the values; least and greatest are undefined without one. A sum is a double: exact up to 2^53. */
  readonly sum: number;
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** Of a threshold: values over it. */
  readonly over: number;
  /** Of a histogram: values up to each bound and over the one before; the last is over all, `le` undefined. */
  readonly buckets: readonly { readonly le: number | undefined; readonly count: number }[];
}

export class BuiltInState {
  readonly address: number;
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #numbers: Float64Array;

  private constructor(arena: Arena, address: number) {
    const { buffer } = arena.memory;
    this.address = address;
    this.#words = new Uint32Array(buffer, address, BYTES / 4);
    this.#bytes = new Uint8Array(buffer, address, BYTES);
    this.#numbers = new Float64Array(buffer, address, BYTES / 8);
  }

  /** Arena bytes of a lane's, alignment included. */
  static readonly arenaBytes = BYTES + 128;

  /** A lane's, or its shard's, made at the first call. */
  static ensure(arena: Arena, shard: string): BuiltInState {
    return new BuiltInState(arena, regionAddress(arena.ensure(`lane.${shard}.built-ins`, BYTES)));
  }

  /** Sets a built-in up. One that is as it was goes on where it is: its lane's thread was started again. */
  define(n: number, { kind, field, bounds, sample, above, ...rest }: BuiltIn): void {
    const at = HEADER + n * EACH;
    const tag = hashOf(
      JSON.stringify([rest.name, kind, field, bounds, sample, above, rest.patterns.map((p) => p.text)]),
    );
    if (this.#words[at / 4] === tag) return;
    this.#bytes.fill(0, at, at + EACH);
    this.#words[at / 4] = tag;
    this.#bytes[at + 4] = BUILT_IN_KINDS.indexOf(kind);
    this.#bytes[at + 5] = FIELD_TYPES.indexOf(field.type);
    this.#bytes[at + 6] = field.endian === "big" ? 1 : 0;
    this.#bytes[at + 7] = Math.min(bounds.length, MAX_BOUNDS);
    this.#words[at / 4 + 2] = sample;
    this.#words[at / 4 + 3] = field.offset;
    this.#numbers[at / 8 + 2] = above;
    this.#numbers[at / 8 + 14] = Number.NEGATIVE_INFINITY;
    this.#numbers.set(bounds, (at + BOUNDS) / 8);
  }

  set routes(address: number) {
    this.#words[0] = address;
  }

  /** Which records are looked at; all of them unless set. */
  set share(words: readonly [by: number, shares: number, share: number]) {
    this.#words.set(words, 6);
  }

  /** Address of the record whose topic wasn't known. */
  get unknownAt(): number {
    return this.#words[1] as number;
  }

  /** Thresholds with values over them that no alert has told, a bit each. */
  get exceeded(): number {
    return this.#words[2] as number;
  }

  /** Position in the ring before which everything was looked at. */
  get position(): number {
    return this.#numbers[2] as number;
  }

  set position(position: number) {
    this.#numbers[2] = position;
  }

  /** What there is to tell of a threshold; undefined when the last alert is not so long ago. */
  takeExceeded(n: number, everyMs: number, nowMs: number) {
    const at = (HEADER + n * EACH) / 8;
    if (nowMs - (this.#numbers[at + 14] as number) < everyMs) return undefined;
    const told = {
      count: this.#numbers[at + 11] as number,
      greatest: this.#numbers[at + 12] as number,
      sequence: this.#numbers[at + 13] as number,
    };
    this.#numbers[at + 14] = nowMs;
    this.#numbers[at + 11] = 0;
    this.#words[2] = (this.#words[2] as number) & ~(1 << n);
    return told;
  }

  /** What a built-in has come to. */
  result(n: number, { name, kind, bounds }: Pick<BuiltIn, "name" | "kind" | "bounds">): BuiltInResult {
    const at = (HEADER + n * EACH) / 8;
    const number = (index: number) => this.#numbers[at + index] as number;
    const counted = number(4);
    const hasValues = kind !== "count" && counted > 0;
    return {
      ...{ name, kind, matched: number(3), counted, tooShort: number(5), notFinite: number(6), sum: number(7) },
      min: hasValues ? number(8) : undefined,
      max: hasValues ? number(9) : undefined,
      over: number(10),
      buckets:
        kind === "histogram"
          ? [...bounds, undefined].map((le, index) => ({ le, count: number(BUCKETS / 8 + index) }))
          : [],
    };
  }
}

/** FNV-1a: whether a definition is the same as before. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0 || 1;
}

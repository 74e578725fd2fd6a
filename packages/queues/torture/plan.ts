/** What a round of ring torture is: which ring, how many threads, how they wait. All of it follows from the seed. */

export const KINDS = ["SpscRing", "MpscRing", "SpscSlots", "MpscSlots", "MpmcSlots"] as const;
export type Kind = (typeof KINDS)[number];
export const WAITS = ["spin", "backoff", "block"] as const;
export type Wait = (typeof WAITS)[number];

export interface Plan {
  readonly kind: Kind;
  readonly seed: number;
  readonly capacity: number;
  readonly producers: readonly Wait[];
  readonly consumers: readonly Wait[];
  /** Records or numbers of each producer. */
  readonly each: number;
}

/** A small generator (mulberry32), so that a round can be run again by its seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A round of a kind: as small and as crowded as it may be. */
export function planRound(kind: Kind, seed: number, records: number): Plan {
  const random = seeded(seed);
  const upTo = (n: number) => 1 + Math.floor(random() * n);
  const producers = kind.startsWith("Spsc") ? 1 : upTo(4);
  const consumers = kind === "SpscSlots" ? 1 : upTo(3);
  // A thread that spins where there are more threads than cores only takes turns away from those it waits for.
  const waitsToChoose = producers + consumers > 2 ? WAITS.slice(1) : WAITS;
  const waits = (n: number) =>
    Array.from({ length: n }, () => waitsToChoose[Math.floor(random() * waitsToChoose.length)] as Wait);
  const smallest = { SpscRing: 12, MpscRing: 12, SpscSlots: 1, MpscSlots: 9, MpmcSlots: 1 }[kind];
  return {
    kind,
    seed,
    capacity: 2 ** (smallest + Math.floor(random() * 5)),
    producers: waits(producers),
    consumers: waits(consumers),
    each: Math.ceil(records / producers),
  };
}

/** Mixes a word into a checksum. */
export function mix(sum: number, word: number): number {
  return Math.imul(sum ^ word, 0x9e3779b1) >>> 0;
}

/**
 * Which events are finished, when they don't finish in order. The cursor is the first sequence that isn't: everything
 * below it may be forgotten. Completions may be out of order within a window; beyond it nothing more may be taken.
 *
 * The state lies in an array that is handed in. In shared memory it survives the death of the thread that writes it, so
 * that whoever takes over handles nothing twice that was finished.
 *
 * | index | field |
 * |---|---|
 * | 0, 1 | cursor, as two halves of 2^32 |
 * | 2 … | one bit for each sequence of the window, at sequence mod window |
 */

const TWO_32 = 0x1_0000_0000;
const CURSOR_WORDS = 2;

export class CompletionTracker {
  /** Sequences that may be open from the cursor on: a multiple of 32. */
  readonly window: number;
  readonly #words: Uint32Array;
  #cursor: number;

  /** Over an array of {@link wordsFor} words: what it says already holds, so zeros are a tracker at 0. One thread writes. */
  constructor(words: Uint32Array) {
    this.#words = words;
    this.window = (words.length - CURSOR_WORDS) * 32;
    if (this.window < 32) throw new RangeError("a completion tracker takes at least 3 words");
    this.#cursor = (words[0] as number) + (words[1] as number) * TWO_32;
  }

  /** Words for a window of so many sequences. */
  static wordsFor(window: number): number {
    return CURSOR_WORDS + Math.ceil(window / 32);
  }

  /** The first sequence that isn't finished. */
  get cursor(): number {
    return this.#cursor;
  }

  /** Begins anew: everything below `cursor` is finished, nothing from it on. */
  reset(cursor: number): void {
    this.#words.fill(0, CURSOR_WORDS);
    this.#store(cursor);
  }

  /** Whether the sequence lies in the window: one that doesn't has to wait until the cursor moves. */
  hasRoom(sequence: number): boolean {
    return sequence < this.#cursor + this.window;
  }

  /** @throws RangeError when the sequence is beyond the window: a caller's mistake. */
  finish(sequence: number): void {
    if (sequence < this.#cursor) return;
    if (!this.hasRoom(sequence))
      throw new RangeError(`sequence ${sequence} is beyond ${this.#cursor} + ${this.window}`);
    this.#set(sequence, true);
    let cursor = this.#cursor;
    if (sequence !== cursor) return;
    // A bit is cleared before the cursor passes it. If the thread dies in between, one finished event counts as open and is
    // handled again; the other way round a later event would count as finished that never was.
    while (this.#isSet(cursor)) {
      this.#set(cursor, false);
      this.#store(++cursor);
    }
  }

  /**
   * Finishes everything in [from, to): 32 at a time. For what is none of the caller's business.
   * @param from behind the cursor, and nothing from it on is finished. @param to at most the window's end.
   */
  finishRange(from: number, to: number): void {
    let sequence = from;
    while (sequence < to) {
      const bit = sequence % this.window;
      const shift = bit & 31;
      const bits = Math.min(32 - shift, to - sequence);
      const index = CURSOR_WORDS + (bit >>> 5);
      const mask = bits === 32 ? -1 : ((1 << bits) - 1) << shift;
      this.#words[index] = (this.#words[index] as number) | mask;
      sequence += bits;
    }
  }

  isFinished(sequence: number): boolean {
    return sequence < this.#cursor || (this.hasRoom(sequence) && this.#isSet(sequence));
  }

  /** The finished sequences above the cursor as ranges, both ends included, in order. */
  ranges(): [from: number, to: number][] {
    const ranges: [number, number][] = [];
    let from = -1;
    for (let sequence = this.#cursor; sequence <= this.#cursor + this.window; sequence++) {
      const finished = sequence < this.#cursor + this.window && this.#isSet(sequence);
      if (finished && from < 0) from = sequence;
      if (finished || from < 0) continue;
      ranges.push([from, sequence - 1]);
      from = -1;
    }
    return ranges;
  }

  #isSet(sequence: number): boolean {
    const bit = sequence % this.window;
    return ((this.#words[CURSOR_WORDS + (bit >>> 5)] as number) & (1 << (bit & 31))) !== 0;
  }

  #set(sequence: number, on: boolean): void {
    const bit = sequence % this.window;
    const index = CURSOR_WORDS + (bit >>> 5);
    const word = this.#words[index] as number;
    this.#words[index] = on ? word | (1 << (bit & 31)) : word & ~(1 << (bit & 31));
  }

  #store(cursor: number): void {
    this.#cursor = cursor;
    this.#words[1] = Math.floor(cursor / TWO_32);
    this.#words[0] = cursor % TWO_32;
  }
}

/** The appends that a follower hasn't answered yet: a window with a limit on messages and one on bytes. */
import { InvariantBroken } from "./errors.ts";

const FIRST_CAPACITY = 16;

export class Inflights {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  /** A ring of pairs: last index of a message, its bytes. It grows as far as it is needed, to `maxMessages` at most. */
  #pairs = new Float64Array(0);
  #start = 0;
  #count = 0;
  #bytes = 0;

  /** @param maxBytes 0 for no limit. The message that crosses it is still taken, so one larger than it can pass. */
  constructor(maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.#count >= this.#maxMessages || (this.#maxBytes > 0 && this.#bytes >= this.#maxBytes);
  }

  /** Notes a message whose last entry is `lastIndex`; indexes only grow. @throws ESC_RAFT_INVARIANT when full. */
  add(lastIndex: number, bytes: number): void {
    if (this.full) throw new InvariantBroken("an append was sent through a full window");
    if (this.#count * 2 === this.#pairs.length) this.#grow();
    const at = this.#at(this.#count);
    this.#pairs[at] = lastIndex;
    this.#pairs[at + 1] = bytes;
    this.#count++;
    this.#bytes += bytes;
  }

  /** Frees every message that ends at or before `index`. */
  freeThrough(index: number): void {
    while (this.#count > 0 && (this.#pairs[this.#start * 2] as number) <= index) {
      this.#bytes -= this.#pairs[this.#start * 2 + 1] as number;
      this.#start = (this.#start + 1) % (this.#pairs.length / 2);
      this.#count--;
    }
  }

  reset(): void {
    this.#start = 0;
    this.#count = 0;
    this.#bytes = 0;
  }

  #at(offset: number): number {
    return ((this.#start + offset) % (this.#pairs.length / 2)) * 2;
  }

  #grow(): void {
    const capacity = Math.min(Math.max(this.#count * 2, FIRST_CAPACITY), this.#maxMessages);
    const pairs = new Float64Array(capacity * 2);
    for (let n = 0; n < this.#count; n++) {
      pairs[n * 2] = this.#pairs[this.#at(n)] as number;
      pairs[n * 2 + 1] = this.#pairs[this.#at(n) + 1] as number;
    }
    this.#pairs = pairs;
    this.#start = 0;
  }
}

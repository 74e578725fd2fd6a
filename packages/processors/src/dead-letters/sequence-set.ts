/** A set of sequences as ranges: dead letters are dealt with in stretches, so there are few, however many there are of them. */
export class SequenceSet {
  readonly #ranges: [from: number, to: number][] = [];

  get ranges(): readonly (readonly [from: number, to: number])[] {
    return this.#ranges;
  }

  has(sequence: number): boolean {
    const range = this.#ranges[this.#find(sequence)];
    return range !== undefined && range[0] <= sequence;
  }

  /** Adds all from one sequence to another, both included. */
  add(from: number, to = from): void {
    // Ranges that touch the new one become one with it.
    const first = this.#find(from - 1);
    let last = first;
    let [start, end] = [from, to];
    for (let range = this.#ranges[last]; range !== undefined && range[0] <= to + 1; range = this.#ranges[++last]) {
      start = Math.min(start, range[0]);
      end = Math.max(end, range[1]);
    }
    this.#ranges.splice(first, last - first, [start, end]);
  }

  /** The first sequence from one on that isn't in the set. */
  firstMissing(from: number): number {
    const range = this.#ranges[this.#find(from)];
    return range !== undefined && range[0] <= from ? range[1] + 1 : from;
  }

  /** Forgets everything before a sequence. */
  dropBefore(sequence: number): void {
    const index = this.#find(sequence);
    this.#ranges.splice(0, index);
    const range = this.#ranges[0];
    if (range !== undefined && range[0] < sequence) range[0] = sequence;
  }

  /** Index of the first range that ends at the sequence or behind it. */
  #find(sequence: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle] as [number, number])[1] < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

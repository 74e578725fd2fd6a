/** The states seen, by 128-bit hash: open addressing over typed arrays, since a Set of strings is ten times slower. */
export class Visited {
  #mask = (1 << 14) - 1;
  #keys = new Uint32Array(4 << 14);
  /** Number of the state + 1; 0 for a free place. */
  #states = new Int32Array(1 << 14);
  size = 0;

  /** The number of the state with the hash at `words[at]`, and whether this is its first visit: then it's `size - 1`. */
  number(words, at) {
    let place = words[at] & this.#mask;
    for (; this.#states[place] !== 0; place = (place + 1) & this.#mask) {
      const key = place << 2;
      if (
        this.#keys[key] === words[at] &&
        this.#keys[key + 1] === words[at + 1] &&
        this.#keys[key + 2] === words[at + 2] &&
        this.#keys[key + 3] === words[at + 3]
      ) {
        return this.#states[place] - 1;
      }
    }
    this.#keys.set([words[at], words[at + 1], words[at + 2], words[at + 3]], place << 2);
    this.#states[place] = ++this.size;
    if (this.size * 2 > this.#mask) this.#grow();
    return this.size - 1;
  }

  #grow() {
    const keys = this.#keys;
    const states = this.#states;
    this.#mask = this.#mask * 2 + 1;
    this.#keys = new Uint32Array(keys.length * 2);
    this.#states = new Int32Array(states.length * 2);
    for (let i = 0; i < states.length; i++) {
      if (states[i] === 0) continue;
      let place = keys[i << 2] & this.#mask;
      while (this.#states[place] !== 0) place = (place + 1) & this.#mask;
      this.#keys.set(keys.subarray(i << 2, (i << 2) + 4), place << 2);
      this.#states[place] = states[i];
    }
  }
}

/** A list of numbers that grows. */
export class Numbers {
  #items = new Int32Array(1 << 12);
  length = 0;

  push(item) {
    if (this.length === this.#items.length) {
      const items = new Int32Array(this.length * 2);
      items.set(this.#items);
      this.#items = items;
    }
    this.#items[this.length++] = item;
  }

  at(index) {
    return this.#items[index];
  }
}

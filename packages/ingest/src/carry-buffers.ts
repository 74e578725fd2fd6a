/**
 * Spare buffers for what connections carry over. A connection that waits for its lane keeps up to a whole read, and does
 * so anew each time the lane is full: allocated each time, that is memory outside of V8's heap that only a major
 * collection gives back, two of them a second at full rate.
 */

/** Rounded up to a power of two up to here, so that a spare one fits the next need. */
const LARGEST_SPARE_BYTES = 1 << 20;
const SPARES = 8;

/** The spares of one thread's connections: at most 8, each up to 1 MiB. */
export class CarryBuffers {
  readonly #spares: Buffer<ArrayBuffer>[] = [];

  /** A buffer of at least so many bytes, whatever is in it: the smallest spare that has them, or a new one. */
  take(bytes: number): Buffer<ArrayBuffer> {
    const spares = this.#spares;
    let best = -1;
    for (let i = 0; i < spares.length; i++) {
      const length = this.#bytesOf(i);
      if (length >= bytes && length <= 2 * bytes && (best < 0 || length < this.#bytesOf(best))) best = i;
    }
    if (best < 0) return Buffer.allocUnsafeSlow(bytes <= LARGEST_SPARE_BYTES ? powerOfTwo(bytes) : bytes);
    const found = spares[best] as Buffer<ArrayBuffer>;
    spares[best] = spares.at(-1) as Buffer<ArrayBuffer>;
    spares.pop();
    return found;
  }

  /** Takes a buffer back that nobody uses any more. The smallest gives way where there are enough: it costs least to make. */
  giveBack(buffer: Buffer<ArrayBuffer>): void {
    const spares = this.#spares;
    if (buffer.length > LARGEST_SPARE_BYTES) return;
    if (spares.length < SPARES) {
      spares.push(buffer);
      return;
    }
    let least = 0;
    for (let i = 1; i < SPARES; i++) if (this.#bytesOf(i) < this.#bytesOf(least)) least = i;
    if (this.#bytesOf(least) < buffer.length) spares[least] = buffer;
  }

  #bytesOf(spare: number): number {
    return (this.#spares[spare] as Buffer<ArrayBuffer>).length;
  }
}

function powerOfTwo(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(bytes));
}

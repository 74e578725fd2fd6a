/**
 * The memory that connections hold for frames that have begun and not ended, all of them together. Without an end to it,
 * clients that each send most of a large frame and then nothing take as much as there is. Beyond it, the frame that began
 * first gives way: it has had the longest time to end.
 */

/** A connection with an unfinished frame, as {@link PartialFrames} sees it. */
export interface PartialFrame {
  /** Gives its memory back and ends its connection. It has been taken out already. */
  shed(): void;
}

export class PartialFrames {
  readonly #maxBytes: number;
  readonly #onShed: () => void;
  /** In the order in which their frames began. */
  readonly #holders = new Map<PartialFrame, number>();
  #bytes = 0;

  /**
   * @param maxBytes for all connections; at least the longest frame, for a single one to have room.
   * @param onShed called for each connection that had to give way.
   */
  constructor(maxBytes: number, onShed: () => void) {
    this.#maxBytes = maxBytes;
    this.#onShed = onShed;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Says how much a connection holds; 0 for nothing any more. Call it where that connection is in order: it may itself be
   * the one that has to give way.
   * @param anew it is another frame than the last time: it began just now.
   */
  hold(holder: PartialFrame, bytes: number, anew: boolean): void {
    this.#bytes += bytes - (this.#holders.get(holder) ?? 0);
    if (anew || bytes === 0) this.#holders.delete(holder);
    if (bytes > 0) this.#holders.set(holder, bytes);
    while (this.#bytes > this.#maxBytes) {
      const [oldest, held] = this.#holders.entries().next().value as [PartialFrame, number];
      this.#holders.delete(oldest);
      this.#bytes -= held;
      this.#onShed();
      oldest.shed();
    }
  }
}

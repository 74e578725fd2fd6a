/**
 * What one connection has been promised: for each chunk with frames that asked, up to where each lane must be durable
 * before the acknowledgement may go out. A ring of numbers; when it is full, the newest entry takes the next one in,
 * which delays an acknowledgement and never loses one.
 */
const FIELDS = 4;
const ENTRIES = 64;

export class PendingAcks {
  readonly #entries = new Float64Array(FIELDS * ENTRIES);
  #first = 0;
  #count = 0;

  get empty(): boolean {
    return this.#count === 0;
  }

  /** Frames up to `n` are durable once the three lanes are durable up to these positions (-1: nothing there). */
  push(n: number, realtime: number, transactional: number, batch: number): void {
    const full = this.#count === ENTRIES;
    if (!full) this.#count++;
    const at = ((this.#first + this.#count - 1) % ENTRIES) * FIELDS;
    const e = this.#entries;
    e[at] = n;
    e[at + 1] = full ? Math.max(e[at + 1] as number, realtime) : realtime;
    e[at + 2] = full ? Math.max(e[at + 2] as number, transactional) : transactional;
    e[at + 3] = full ? Math.max(e[at + 3] as number, batch) : batch;
  }

  /** Takes out what is durable by now; returns the greatest n among it, or 0 when there is none. */
  settle(realtime: number, transactional: number, batch: number): number {
    let n = 0;
    const e = this.#entries;
    while (this.#count > 0) {
      const at = this.#first * FIELDS;
      if ((e[at + 1] as number) > realtime || (e[at + 2] as number) > transactional || (e[at + 3] as number) > batch)
        break;
      n = e[at] as number;
      this.#first = (this.#first + 1) % ENTRIES;
      this.#count--;
    }
    return n;
  }
}

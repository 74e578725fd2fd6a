/** A log in memory, for tests of those who use one: it promises what `LogStore` promises, as long as the process lives. */
import { EscError } from "@esc/events";
import type { LogStore, ReadFrom } from "./log-store.ts";
import { RecordReader } from "./record-reader.ts";
import { RecordView } from "./record-view.ts";

/** One append: records that lie one behind the other. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly firstSequence: number;
  readonly endSequence: number;
}

const NONE = new Uint8Array(0);

export class MemoryLog implements LogStore {
  readonly #pieces: Piece[] = [];
  #next: number;
  #durable: number;

  /** @param firstSequence of the first record to come. */
  constructor(firstSequence = 1) {
    this.#next = firstSequence;
    this.#durable = firstSequence;
  }

  readonly failure = undefined;

  get firstSequence(): number {
    return this.#pieces[0]?.firstSequence ?? this.#next;
  }

  get nextSequence(): number {
    return this.#next;
  }

  get durableSequence(): number {
    return this.#durable;
  }

  append(bytes: Uint8Array, offset: number, length: number, firstSequence: number, records: number): void {
    if (firstSequence !== this.#next) {
      throw new EscError("ESC_LOG_SEQUENCE", `The next record is ${this.#next}, not ${firstSequence}.`);
    }
    this.#next += records;
    const copy = Uint8Array.from(bytes.subarray(offset, offset + length));
    this.#pieces.push({ bytes: copy, firstSequence, endSequence: this.#next });
  }

  sync(): void {
    this.#durable = this.#next;
  }

  read(from: ReadFrom = {}): RecordReader {
    return new MemoryReader(this.#pieces, from, this.#next);
  }

  /** By the piece: an append that holds a later record too stays, and so does the last one. */
  truncateBefore(sequence: number): number {
    let records = 0;
    for (;;) {
      const [first, second] = this.#pieces;
      if (first === undefined || second === undefined || first.endSequence > sequence) return records;
      records += first.endSequence - first.firstSequence;
      this.#pieces.shift();
    }
  }

  close(): void {
    // Nothing is held open.
  }
}

class MemoryReader extends RecordReader {
  readonly #pieces: readonly Piece[];
  #wanted: number;
  #wantedTimeMs: number | undefined;
  #bytes: Uint8Array = NONE;
  #runStart = 0;

  constructor(pieces: readonly Piece[], { fromSequence, fromTimeMs, fromEnd }: ReadFrom, next: number) {
    super();
    this.#pieces = pieces;
    this.#wanted = fromEnd ? next : (fromSequence ?? 1);
    this.#wantedTimeMs = fromTimeMs;
  }

  override get bytes(): Uint8Array {
    return this.#bytes;
  }

  override get runStart(): number {
    return this.#runStart;
  }

  override nextRun(): number {
    for (;;) {
      const piece = this.#pieces.find(({ endSequence }) => endSequence > this.#wanted);
      if (piece === undefined) return 0;
      const view = new RecordView(piece.bytes);
      let at = 0;
      while (at < piece.bytes.length && !this.#isWanted(view.moveTo(at))) at += view.paddedBytes;
      this.#wanted = piece.endSequence;
      if (at === piece.bytes.length) continue;
      this.#wantedTimeMs = undefined;
      this.#bytes = piece.bytes;
      this.#runStart = at;
      return piece.bytes.length - at;
    }
  }

  override [Symbol.dispose](): void {
    this.#bytes = NONE;
  }

  #isWanted(view: RecordView): boolean {
    return view.sequence >= this.#wanted && (this.#wantedTimeMs === undefined || view.timeMs >= this.#wantedTimeMs);
  }
}

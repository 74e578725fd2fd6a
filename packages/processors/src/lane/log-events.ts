/** A lane's log, event by event, with views as handlers get them. By pull, so that whoever reads decides when it waits. */
import { type LogGap, LogReader } from "@esc/storage";
import { HandledEvent } from "./handled-event.ts";

export interface LogEventsOptions {
  /** The lane's folder. */
  readonly dir: string;
  /** Where it begins: at a sequence, or at a time in ms since the epoch. */
  readonly fromSequence?: number;
  readonly fromTimeMs?: number;
  readonly onGap?: (gap: LogGap) => void;
  /** Bytes read at once; 4 MiB unless given. */
  readonly bufferBytes?: number;
}

export class LogEvents implements Disposable {
  readonly #reader: LogReader;
  #view: HandledEvent | undefined;
  #at = 0;
  #end = 0;

  constructor(options: LogEventsOptions) {
    this.#reader = new LogReader(options);
  }

  /** The next record, tombstones included; undefined at the log's present end. Valid until the next call. */
  next(): HandledEvent | undefined {
    if (this.#at >= this.#end) {
      const length = this.#reader.nextRun();
      if (length === 0) return undefined;
      this.#at = this.#reader.runStart;
      this.#end = this.#at + length;
      this.#view = new HandledEvent(this.#reader.bytes);
    }
    const view = (this.#view as HandledEvent).moveTo(this.#at);
    this.#at += view.paddedBytes;
    return view;
  }

  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
  }
}

/** Records between two that are wanted over which it is cheaper to look the second one up than to read on. */
const FAR = 10_000;

/**
 * Reads certain events from a log.
 * @param sequences in order.
 * @returns copies, one for each that is there.
 */
export function* readSequences(dir: string, sequences: readonly number[]): Generator<HandledEvent> {
  let index = 0;
  while (index < sequences.length) {
    using events = new LogEvents({ dir, fromSequence: sequences[index] as number, bufferBytes: 65_536 });
    for (;;) {
      const view = events.next();
      // The log's end: what is left isn't there.
      if (view === undefined) return;
      const { sequence } = view;
      while (index < sequences.length && (sequences[index] as number) < sequence) index++;
      if (sequences[index] === sequence) {
        index++;
        if (!view.tombstone) yield HandledEvent.copyOf(view);
      }
      if (index === sequences.length || (sequences[index] as number) > sequence + FAR) break;
    }
  }
}

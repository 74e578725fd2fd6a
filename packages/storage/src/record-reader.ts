/** Records by pull: whatever holds them loads a run of whole records, and they are walked one by one. */
import { RecordView } from "./record-view.ts";

export abstract class RecordReader {
  /** Where {@link nextRun} put the records. Valid until the next call. */
  abstract get bytes(): Uint8Array;

  /** Offset of the run's first record in {@link bytes}. */
  abstract get runStart(): number;

  /**
   * Loads the next whole records that lie one behind the other into {@link bytes}.
   * @returns their bytes; 0 when there is no further record now (later there may be).
   */
  abstract nextRun(): number;

  abstract [Symbol.dispose](): void;

  /** Every event in order up to the log's present end. The view is valid until the next one; tombstones are left out. */
  *[Symbol.iterator](): Generator<RecordView> {
    for (let length = this.nextRun(); length > 0; length = this.nextRun()) yield* this.run(length);
  }

  /** The events of the run that was loaded last, of so many bytes; as with the iterator. */
  *run(length: number): Generator<RecordView> {
    const view = new RecordView(this.bytes);
    const end = this.runStart + length;
    for (let at = this.runStart; at < end; ) {
      // Where the next one begins is noted first: the consumer may have moved the view, or the reader on.
      const next = at + view.moveTo(at).paddedBytes;
      if (!view.tombstone && this.wants(view)) yield view;
      at = next;
    }
  }

  /** Whether the iterator gives out this event. */
  protected wants(_view: RecordView): boolean {
    return true;
  }
}

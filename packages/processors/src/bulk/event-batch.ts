/** Many events at once, as columns: what a batch handler reads. */
import { Priority } from "@esc/events";
import type { EventView } from "../handler.ts";
import type { TopicNumbers } from "./topic-numbers.ts";

/**
 * Events of one lane in the order of their sequences. Row `i` of each column is about event `i`, 0 to {@link size} - 1; what
 * lies behind that is of other batches. Valid during the call (until its promise settles), with everything it gives out but
 * numbers and strings. With `handlers_debug` a batch that was kept throws `ESC_VIEW_EXPIRED`, and its arrays are empty.
 */
export interface EventBatch {
  /** Events, from 1 to the handler's `maxEvents`. */
  readonly size: number;
  /** Which attempt this is, from 1. Only a single event is ever tried again. */
  readonly attempt: number;
  /** Sequences in the lane; not all of them, as others may be nobody's, or another handler's. */
  readonly sequences: Float64Array;
  /** Time received: whole milliseconds since the epoch, and the nanoseconds on top. */
  readonly timesMs: Float64Array;
  readonly timesNs: Uint32Array;
  /** Small numbers, from 0, one for each topic of this handler in this thread; -1 beyond 4,096 topics. */
  readonly topics: Int32Array;
  /** 0 BATCH to 4 CRITICAL. */
  readonly priorities: Uint8Array;
  /** 1 where the event has an id: `view(i).id`. */
  readonly ids: Uint8Array;
  /** Where each payload begins in {@link bytes}, and how long it is. */
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  /** The payloads' bytes, where they lie; and the same to read numbers from. */
  readonly bytes: Uint8Array;
  readonly data: DataView;
  /** The topic of a number. @throws RangeError for one that no event of the batch had. */
  topic(number: number): string;
  /** Event `i` as other handlers see it. One view, moved: valid until the next call. @throws RangeError. */
  view(i: number): EventView;
}

/** An event that is handled alone, as a batch. */
export function batchOfOne(event: EventView, numbers: TopicNumbers): EventBatch {
  const { payload, topic, attempt } = event;
  return {
    ...{ size: 1, attempt, bytes: payload },
    data: new DataView(payload.buffer, payload.byteOffset, payload.length),
    sequences: Float64Array.of(event.sequence),
    timesMs: Float64Array.of(event.timeMs),
    timesNs: Uint32Array.of(event.timeNs),
    topics: Int32Array.of(numbers.of(topic)),
    priorities: Uint8Array.of(Priority[event.priority]),
    ids: Uint8Array.of(event.id === undefined ? 0 : 1),
    offsets: Uint32Array.of(0),
    lengths: Uint32Array.of(payload.length),
    topic: (number) => (number === -1 ? topic : numbers.name(number)),
    view: (i) => {
      if (i !== 0) throw noRow(i, 1);
      return event;
    },
  };
}

export function noRow(i: number, size: number): RangeError {
  return new RangeError(`there is no event ${i} in a batch of ${size}`);
}

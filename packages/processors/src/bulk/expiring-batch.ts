/**
 * For `handlers_debug`: a batch over a copy, which tells when it is used after its call. Costs a copy of the columns and of
 * the payloads' bytes; without it nothing is copied.
 */
import { EscError } from "@esc/events";
import { expiringView } from "../lane/expiring-view.ts";
import type { EventBatch } from "./event-batch.ts";
import type { RingBatch } from "./ring-batch.ts";

/** @param from where the batch's records begin. @param end and end. */
export function expiringBatch(
  batch: RingBatch,
  from: number,
  end: number,
): { readonly batch: EventBatch; expire(): void } {
  const { size } = batch;
  const bytes = Uint8Array.from(batch.bytes.subarray(from, end));
  const columns = {
    bytes,
    sequences: Float64Array.from(batch.sequences.subarray(0, size)),
    timesMs: Float64Array.from(batch.timesMs.subarray(0, size)),
    timesNs: Uint32Array.from(batch.timesNs.subarray(0, size)),
    offsets: Uint32Array.from(batch.offsets.subarray(0, size), (offset) => offset - from),
    lengths: Uint32Array.from(batch.lengths.subarray(0, size)),
    topics: Int32Array.from(batch.topics.subarray(0, size)),
    priorities: Uint8Array.from(batch.priorities.subarray(0, size)),
    ids: Uint8Array.from(batch.ids.subarray(0, size)),
  };
  let expireView: (() => void) | undefined;
  let expired = false;
  const given: EventBatch = {
    ...columns,
    ...{ size, attempt: batch.attempt, data: new DataView(bytes.buffer) },
    topic: (number) => batch.topic(number),
    view: (i) => {
      expireView?.();
      const { view, expire } = expiringView(batch.view(i));
      expireView = expire;
      return view;
    },
  };
  return {
    batch: new Proxy(given, {
      get(target, property) {
        if (!expired) return Reflect.get(target, property);
        throw new EscError(
          "ESC_VIEW_EXPIRED",
          `\`${String(property)}\` of a batch was asked for after its handler was done. Copy what you keep.`,
        );
      },
    }),
    expire() {
      expired = true;
      expireView?.();
      // Detached: whoever kept a column has an array without anything.
      for (const { buffer } of Object.values(columns)) buffer.transfer(0);
    },
  };
}

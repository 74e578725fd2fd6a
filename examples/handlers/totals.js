/**
 * A batch handler and two built-ins: for topics of which millions of small events come in a second.
 *
 *   ESC_HANDLERS=examples/handlers/totals.js npm start
 *   npm run -s esc -- bench --target 127.0.0.1:9000 --duration 5
 *   curl -s http://127.0.0.1:8080/api/v1/stats
 *
 * `handle` gets many events in one call, as columns: row `i` of each is about event `i`. Payloads are read where they lie, in
 * `batch.bytes` or as numbers through `batch.data`; `batch.view(i)` is the event as other handlers see it. Nothing of a batch
 * outlives the call. An event that fails is named by `throw new BatchError(i, cause)`: the ones before it are done, the ones
 * behind it come again.
 */
import { BatchError, defineBatchHandler, defineBuiltIn } from "@esc/processors";

const REPORT_EVERY = 1_000_000;
let events = 0;
let sum = 0;
let reported = 0;

export default [
  defineBatchHandler({
    topics: ">",
    maxEvents: 1_024,
    handle(batch, { logger }) {
      const { data, lengths, offsets, size } = batch;
      for (let i = 0; i < size; i++) {
        if (lengths[i] < 4) throw new BatchError(i, new Error("a payload of less than 4 bytes"));
        sum += data.getUint32(offsets[i], true);
        events++;
      }
      if (events - reported < REPORT_EVERY && reported > 0) return;
      reported = events;
      logger.info(`${events} events so far, their first numbers sum up to ${sum}`);
    },
  }),
  // Kept by the lanes themselves, without a call: results are in /api/v1/stats and /metrics, by name.
  defineBuiltIn({ name: "events", topics: ">", kind: "count" }),
  defineBuiltIn({
    ...{ name: "first-numbers", topics: ">", kind: "histogram" },
    field: { offset: 0, type: "u32" },
    bounds: [1_000, 1_000_000, 1_000_000_000],
  }),
];

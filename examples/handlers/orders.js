/**
 * A handler: what the server does with events of some topics. Name the file in the configuration and start the server:
 *
 *   ESC_HANDLERS=examples/handlers/orders.js npm start
 *   npm run -s esc -- send --topic order.created --file examples/handlers/orders.ndjson --ack
 *
 * `topics` are exact or patterns: `*` stands for one level, `>` at the end for the rest; levels are split by `.` or `/`.
 * `lane` ("realtime", "transactional" or "batch") is for handlers that want one lane only; leave it out for all three.
 *
 * Each lane runs in a thread of its own and loads this module for itself, so `totals` below is the sum of one lane. Events
 * of a topic (or of a `key` that you give) are handled in order: the next one waits for this one's promise. The event is
 * valid until then; `event.copy()` outlives it. After a crash the last events may be handled once more: let what you do
 * stand to be done twice.
 */
import { defineHandler } from "@esc/processors";

const REPORT_EVERY = 100_000;

/** Orders and cents, by currency. */
const totals = new Map();
let orders = 0;

export default defineHandler({
  topics: ["order.>"],

  handle(event, context) {
    // A payload is bytes: `event.payload` as they are, `event.text()` as UTF-8, `event.json()` parsed. A payload that is no
    // JSON throws here, and an event whose handler throws at every attempt becomes a dead letter: it is kept, with why.
    const { currency = "EUR", cents = 0 } = event.json();
    totals.set(currency, (totals.get(currency) ?? 0) + cents);
    orders++;
    if (orders === 1 || orders % REPORT_EVERY === 0) {
      const sums = [...totals].map(([name, sum]) => `${(sum / 100).toFixed(2)} ${name}`).join(", ");
      context.logger.info(`${orders} orders so far (${event.topic} #${event.sequence}, ${event.priority}): ${sums}`);
    }
  },
});

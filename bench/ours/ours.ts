/**
 * The driver for our own queues, pool and deduplicator: the same options, lines and rules as the peers' drivers. A key
 * "case/variant" measures the case in another way that a user may choose; its figures bear the case's name, and the
 * variant in the program's.
 */
import { drive } from "../peers/js/driver.ts";
import { dedupCases } from "./dedup.ts";
import { mpscCases } from "./mpsc.ts";
import { oneThreadCases } from "./one-thread.ts";
import { poolCases } from "./pool.ts";
import { recordCases } from "./records.ts";
import { roundTripCases } from "./round-trip.ts";
import { spscCases } from "./spsc.ts";

await drive({
  ...spscCases,
  ...recordCases,
  ...oneThreadCases,
  ...mpscCases,
  ...roundTripCases,
  ...poolCases,
  ...dedupCases,
});

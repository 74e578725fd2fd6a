/**
 * `@esc/queues/kernel`: for packages whose kernels work on rings. Here, and only here, rings have addresses; what a package
 * hands to its users has none.
 */
export { dedupAddress } from "./deduplicator.ts";
export { parkerAddress, parkerAt } from "./parker.ts";
export { RecordShare } from "./record-share.ts";
export { ringAddress } from "./ring.ts";
export { runAddress } from "./ring-consumer.ts";

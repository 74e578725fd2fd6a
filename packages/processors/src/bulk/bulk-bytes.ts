/** What a lane's batches and built-ins take of an arena. */
import { BuiltInState } from "./built-in-state.ts";
import { RingBatch } from "./ring-batch.ts";
import { TopicRoutes } from "./topic-routes.ts";

/** Arena bytes of one lane, or each of its shards: cut by its thread when it has batch handlers or built-ins (0.9 MB). */
export const bulkBytes = TopicRoutes.bytes + RingBatch.arenaBytes + BuiltInState.arenaBytes;

/** Batch handlers: many events in one call. What users write, and how one of them handles a single event. */
import { EscError, type LaneName } from "@esc/events";
import {
  checkLane,
  checkRetry,
  checkTopics,
  type Emission,
  type Handler,
  type HandlerContext,
  type Topics,
} from "../handler.ts";
import { isPromise } from "../lane/work-runner.ts";
import type { RetryPolicy } from "../retry/retry-policy.ts";
import { causeOf, failedIndex } from "./batch-error.ts";
import { batchOfOne, type EventBatch } from "./event-batch.ts";
import { TopicNumbers } from "./topic-numbers.ts";

/** What a batch handler has besides the events. */
export interface BatchContext extends Omit<HandlerContext, "emit"> {
  /**
   * Publishes an event onward on behalf of event `index`, whose id decides the published one's. It goes out when that event
   * is done. @throws as `HandlerContext.emit`; `ESC_EMIT_LIMIT` counts the whole batch. RangeError for an index beyond it.
   */
  emit(index: number, event: Emission): void;
}

export interface BatchHandlerDefinition {
  readonly topics: Topics;
  /** Only events of this lane; of every lane unless given. */
  readonly lane?: LaneName;
  /** Most events of one call, 1 to 8,192; 1,024 unless given. */
  readonly maxEvents?: number;
  /** When a failed event is tried again, where it isn't as configured. */
  readonly retry?: Partial<RetryPolicy>;
  /**
   * Handles events. A {@link BatchError} says which one failed. Anything else that is thrown, a rejection, or a promise that
   * takes longer than `handler_timeout_ms`: each event is given to it once more, alone. While a promise is waited for, the
   * lane takes nothing else.
   */
  handle(batch: EventBatch, context: BatchContext): void | Promise<void>;
}

/** What {@link defineBatchHandler} gives: the definition, marked as what it is. */
export type MarkedBatchHandler = BatchHandlerDefinition & { readonly batch: true };

/** What a handler has that takes batches. */
export interface BatchPart {
  readonly maxEvents: number;
  readonly numbers: TopicNumbers;
  readonly handle: BatchHandlerDefinition["handle"];
}

/** Most events of one batch: what the columns have room for. */
export const MAX_BATCH_EVENTS = 8_192;
const DEFAULT_EVENTS = 1_024;
const FIELDS: ReadonlySet<string> = new Set(["topics", "lane", "maxEvents", "retry", "handle", "batch"]);

/**
 * Checks a batch handler's definition where it is written; a handler module exports what this returns.
 * @throws EscError `ESC_HANDLER_INVALID` naming the field that is wrong.
 * @example
 * export default defineBatchHandler({
 *   topics: "order.>",
 *   handle(batch) {
 *     for (let i = 0; i < batch.size; i++) cents += batch.data.getUint32(batch.offsets[i], true);
 *   },
 * });
 */
export function defineBatchHandler(definition: BatchHandlerDefinition): MarkedBatchHandler {
  const marked = { ...definition, batch: true } as const;
  toBatchHandler(marked, "defineBatchHandler");
  return marked;
}

/** Whether a module's export is meant to be a batch handler. */
export function looksLikeBatchHandler(exported: unknown): exported is MarkedBatchHandler {
  return typeof exported === "object" && exported !== null && (exported as { batch?: unknown }).batch === true;
}

/**
 * A batch handler as a handler: given one event it handles a batch of one. That is how it gets what goes one by one.
 * @param where the file, for messages.
 * @throws EscError `ESC_HANDLER_INVALID`.
 */
export function toBatchHandler(definition: MarkedBatchHandler, where: string): Handler {
  const invalid = (what: string) => new EscError("ESC_HANDLER_INVALID", `${where}: ${what}.`);
  const unknown = Object.keys(definition).find((field) => !FIELDS.has(field));
  if (unknown !== undefined) {
    throw invalid(`there is no \`${unknown}\` of a batch handler. There is topics, lane, maxEvents, retry, handle`);
  }
  const { topics, lane, maxEvents = DEFAULT_EVENTS, retry = {}, handle } = definition;
  if (typeof handle !== "function") throw invalid("`handle` must be a function (batch, context)");
  if (!Number.isInteger(maxEvents) || maxEvents < 1 || maxEvents > MAX_BATCH_EVENTS) {
    throw invalid(
      `\`maxEvents\` must be a whole number from 1 to ${MAX_BATCH_EVENTS}, not ${JSON.stringify(maxEvents)}`,
    );
  }
  const patterns = checkTopics(topics, invalid);
  checkLane(lane, invalid);
  checkRetry(retry, invalid);
  const numbers = new TopicNumbers();
  return {
    ...{ patterns, lane, retry, key: undefined, isAsync: handle.constructor.name === "AsyncFunction" },
    batch: { maxEvents, numbers, handle: handle.bind(definition) },
    handle: (event, context) => {
      const failed = (error: unknown): never => {
        throw failedIndex(error, 1) === 0 ? causeOf(error) : error;
      };
      try {
        const result = handle.call(definition, batchOfOne(event, numbers), contextOfOne(context));
        return isPromise(result) ? result.then(undefined, failed) : undefined;
      } catch (error) {
        return failed(error);
      }
    },
  };
}

function contextOfOne(context: HandlerContext): BatchContext {
  return {
    lane: context.lane,
    logger: context.logger,
    get signal() {
      return context.signal;
    },
    emit: (index, event) => {
      if (index !== 0) throw new RangeError(`emit: there is no event ${index} in a batch of 1`);
      context.emit(event);
    },
    alert: (level, text) => context.alert(level, text),
  };
}

/** What a batch handler has besides the events, and what it publishes on behalf of each. */
import { EscError } from "@esc/events";
import type { AlertLevel } from "../alerts/alert.ts";
import type { Emission } from "../handler.ts";
import { CallContext, type CallSource, type LaneContext } from "../lane/call-context.ts";
import { type Checked, MAX_EMISSIONS } from "../lane/emitter.ts";
import type { BatchContext } from "./batch-handler.ts";

/** What events of a batch published, by their row. */
export type Published = [row: number, emissions: Checked[]];

export class BatchCalls implements BatchContext, CallSource {
  /** Of the event on whose behalf something is published now. */
  origin = "";
  emissions: Checked[] = [];
  readonly #context: CallContext;
  readonly #originOf: (row: number) => string;
  #rows = 0;
  #count = 0;
  #published = new Map<number, Checked[]>();

  /** @param originOf what the ids of an event's emissions are made of. */
  constructor(lane: LaneContext, originOf: (row: number) => string) {
    this.#context = new CallContext(lane, this);
    this.#originOf = originOf;
  }

  /** A call with so many events begins. */
  begin(rows: number): void {
    this.#rows = rows;
  }

  /** The call is over. @returns what it published, in the events' order. */
  take(): Published[] {
    if (this.#count === 0) return NOTHING;
    const published = [...this.#published].sort(([a], [b]) => a - b);
    this.#published.clear();
    this.#count = 0;
    return published;
  }

  /** The call took too long: what it publishes from now on is nobody's. */
  expire(): void {
    this.#context.expire(true);
  }

  get lane() {
    return this.#context.lane;
  }

  get logger() {
    return this.#context.logger;
  }

  get signal(): AbortSignal {
    return this.#context.signal;
  }

  readonly emit = (index: number, event: Emission): void => {
    if (!Number.isInteger(index) || index < 0 || index >= this.#rows) {
      throw new RangeError(`emit: there is no event ${index} in a batch of ${this.#rows}`);
    }
    if (this.#count >= MAX_EMISSIONS) {
      throw new EscError("ESC_EMIT_LIMIT", `emit: one call publishes up to ${MAX_EMISSIONS} events.`);
    }
    this.emissions = this.#published.get(index) ?? [];
    this.origin = this.#originOf(index);
    this.#context.emit(event);
    this.#published.set(index, this.emissions);
    this.#count++;
  };

  readonly alert = (level: AlertLevel, text: string): void => this.#context.alert(level, text);
}

const NOTHING: Published[] = [];

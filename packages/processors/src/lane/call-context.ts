/** What a handler has besides the event, for one attempt. */
import { EscError, type LaneName } from "@esc/events";
import { ALERT_LEVELS, type AlertLevel, MAX_ALERT_TEXT } from "../alerts/alert.ts";
import type { Emission, HandlerContext, HandlerLogger } from "../handler.ts";
import { type Checked, type Emitter, MAX_EMISSIONS } from "./emitter.ts";

/** What is the same for all calls of a lane. */
export interface LaneContext {
  readonly lane: LaneName;
  readonly logger: HandlerLogger;
  /** Aborted when the server stops. */
  readonly signal: AbortSignal;
  readonly emitter: Emitter;
  readonly alert: (level: AlertLevel, text: string) => void;
}

/** What is being handled. */
export interface CallSource {
  /** What ids of emissions are made of. */
  readonly origin: string;
  /** What is published goes here. */
  readonly emissions: Checked[];
}

export class CallContext implements HandlerContext {
  readonly #lane: LaneContext;
  readonly #source: CallSource;
  #over: AbortController | undefined;
  #signal: AbortSignal | undefined;
  #expired = false;

  constructor(lane: LaneContext, source: CallSource) {
    this.#lane = lane;
    this.#source = source;
  }

  /** The call is over. @param abort tell it, since it goes on without being waited for. */
  expire(abort: boolean): void {
    this.#expired = true;
    if (abort) this.#over?.abort();
  }

  get lane(): LaneName {
    return this.#lane.lane;
  }

  get logger(): HandlerLogger {
    return this.#lane.logger;
  }

  get signal(): AbortSignal {
    // Made when it is asked for: most handlers never do.
    if (this.#signal === undefined) {
      this.#over = new AbortController();
      this.#signal = AbortSignal.any([this.#lane.signal, this.#over.signal]);
    }
    return this.#signal;
  }

  // Fields, not methods: handlers take them out of the context, `handle(event, { emit })`.
  readonly emit = (emission: Emission): void => {
    if (this.#expired) {
      throw new EscError(
        "ESC_CONTEXT_EXPIRED",
        "emit: the call is over (it took too long). Nothing more goes out for it.",
      );
    }
    const { emissions } = this.#source;
    if (emissions.length >= MAX_EMISSIONS) {
      throw new EscError("ESC_EMIT_LIMIT", `emit: one call publishes up to ${MAX_EMISSIONS} events.`);
    }
    emissions.push(this.#lane.emitter.check(emission, () => `${this.#source.origin}:${emissions.length}`));
  };

  readonly alert = (level: AlertLevel, text: string): void => {
    if (!ALERT_LEVELS.includes(level)) {
      throw new EscError("ESC_ALERT_INVALID", `alert: a level is one of ${ALERT_LEVELS.join(", ")}, not "${level}".`);
    }
    this.#lane.alert(level, String(text).slice(0, MAX_ALERT_TEXT));
  };
}

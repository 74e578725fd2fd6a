/**
 * When events are to be sent, as pure arithmetic: no clock, no socket.
 *
 * Latency counts from when an event was due, not from when it got its turn. A sender that waits for a slow server would
 * otherwise leave out just the events that it should have sent meanwhile (Gil Tene calls that coordinated omission).
 */

/** The plan of one connection. Events are numbered from 0; times are milliseconds of one clock. */
export interface LoadPlan {
  /** How many events, from number `sent` on, are to be sent now; 0 when none is due yet. */
  take(nowMs: number, sent: number): number;
  /** When {@link take} will next give events, for who has sent that many; undefined when nothing follows. */
  nextMs(nowMs: number, sent: number): number | undefined;
  /** Hands what is `nowMs` - due of the events `first` to `end` - 1 to `record`, in nanoseconds. */
  latencies(nowMs: number, first: number, end: number, record: RecordLatency): void;
}

export type RecordLatency = (valueNs: number, count: number) => void;

export interface BatchSize {
  /** Events that go out together, but for the last ones. */
  readonly leastFrames: number;
  readonly mostFrames: number;
}

export interface ScheduleOptions extends BatchSize {
  /** Events a second of all connections together. */
  readonly rate: number;
  readonly durationSeconds: number;
  readonly startMs: number;
  readonly connections: number;
  /** Which of them this is, from 0. */
  readonly connection: number;
}

/**
 * A fixed rate: of all events, number k is due k / rate after the start, and the connections have them in turn. Exactly
 * rate × duration events are due; who is late gets all that are due at once.
 */
export class Schedule implements LoadPlan {
  /** Events of this connection. */
  readonly events: number;
  readonly #firstMs: number;
  readonly #periodMs: number;
  readonly #least: number;
  readonly #most: number;

  constructor({ rate, durationSeconds, startMs, connections, connection, leastFrames, mostFrames }: ScheduleOptions) {
    const all = Math.round(rate * durationSeconds);
    this.events = Math.floor(all / connections) + (connection < all % connections ? 1 : 0);
    this.#firstMs = startMs + (connection * 1_000) / rate;
    this.#periodMs = (connections * 1_000) / rate;
    this.#least = leastFrames;
    this.#most = mostFrames;
  }

  take(nowMs: number, sent: number): number {
    const due = this.#dueBy(nowMs);
    const ready = Math.min(due - sent, this.#most);
    return ready >= this.#least || due === this.events ? ready : 0;
  }

  nextMs(_nowMs: number, sent: number): number | undefined {
    return sent === this.events ? undefined : this.dueMs(Math.min(this.events, sent + this.#least) - 1);
  }

  latencies(nowMs: number, first: number, end: number, record: RecordLatency): void {
    for (let event = first; event < end; event++) record((nowMs - this.dueMs(event)) * 1e6, 1);
  }

  /** When an event is due. */
  dueMs(event: number): number {
    return this.#firstMs + event * this.#periodMs;
  }

  /** How many events are due: exactly those whose {@link dueMs} is not after `nowMs`, whatever a division rounds to. */
  #dueBy(nowMs: number): number {
    let due = Math.max(0, Math.floor((nowMs - this.#firstMs) / this.#periodMs));
    while (due > 0 && this.dueMs(due - 1) > nowMs) due--;
    while (due < this.events && this.dueMs(due) <= nowMs) due++;
    return Math.min(due, this.events);
  }
}

export interface FloodOptions extends Pick<BatchSize, "mostFrames"> {
  readonly startMs: number;
  readonly durationSeconds: number;
  /** Events that may be unanswered, so that their times have to be kept. */
  readonly window: number;
}

/** As fast as the server takes them: an event is due when its batch gets its turn. */
export class Flood implements LoadPlan {
  readonly #most: number;
  readonly #endMs: number;
  /** When each batch that can be unanswered was taken: a ring. All batches are equal, so an event's number says its batch. */
  readonly #takenMs: Float64Array;

  constructor({ startMs, durationSeconds, mostFrames, window }: FloodOptions) {
    this.#most = mostFrames;
    this.#endMs = startMs + durationSeconds * 1_000;
    this.#takenMs = new Float64Array(Math.ceil(window / mostFrames) + 2);
  }

  take(nowMs: number, sent: number): number {
    if (nowMs >= this.#endMs) return 0;
    this.#takenMs[(sent / this.#most) % this.#takenMs.length] = nowMs;
    return this.#most;
  }

  nextMs(nowMs: number): number | undefined {
    return nowMs >= this.#endMs ? undefined : nowMs;
  }

  latencies(nowMs: number, first: number, end: number, record: RecordLatency): void {
    for (let event = first; event < end; ) {
      const batch = Math.floor(event / this.#most);
      const next = Math.min(end, (batch + 1) * this.#most);
      record((nowMs - (this.#takenMs[batch % this.#takenMs.length] as number)) * 1e6, next - event);
      event = next;
    }
  }
}

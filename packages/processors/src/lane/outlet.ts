/**
 * A ring that a lane puts events into: dead letters, and what handlers publish. It knows whether something went in since
 * the last save: a cursor may not be written before what it stands on is durable. Else a crash between the two would leave an
 * event that counts as finished and a dead letter that nobody has.
 */
import type { RecordAppender, RecordInput, RecordRing } from "@esc/queues";

const LOOK_MS = 5;

export class Outlet {
  readonly #ring: Pick<RecordRing, "publishedPosition" | "durablePosition" | "askToSync">;
  readonly #appender: Pick<RecordAppender, "append">;
  #appended = 0;
  #settled = 0;

  constructor(
    ring: Pick<RecordRing, "publishedPosition" | "durablePosition" | "askToSync">,
    appender: Pick<RecordAppender, "append">,
  ) {
    this.#ring = ring;
    this.#appender = appender;
  }

  /** @returns false when the ring has no room. */
  append(event: RecordInput): boolean {
    const taken = this.#appender.append(event);
    if (taken) this.#appended++;
    return taken;
  }

  /** Resolves once what went in before this call is durable; at once when nothing did. */
  async settle(): Promise<void> {
    const appended = this.#appended;
    if (appended === this.#settled) return;
    const position = this.#ring.publishedPosition;
    this.#ring.askToSync(position);
    while (this.#ring.durablePosition < position) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    this.#settled = appended;
  }
}

/** One connection's run: takes from the plan what is due, sends it, and waits for what follows. */
import type { PrebuiltFrames } from "../send/frame-batches.ts";
import type { Sender } from "../send/sender.ts";
import type { LoadPlan, RecordLatency } from "./load-plan.ts";

/** Time, to be replaced in tests. */
export interface LoadClock {
  /** Milliseconds of a clock that never goes back. */
  nowMs(): number;
  /** Resolves at that time or a little later. In between, and now and then also without a wait, sockets get their turn. */
  until(ms: number): Promise<void>;
}

export interface PlannedSend {
  readonly plan: LoadPlan;
  readonly frames: PrebuiltFrames;
  readonly sender: Sender;
  readonly clock: LoadClock;
  /** From due to handed over to the system, waiting for a server that is slow included. */
  readonly recordSent: RecordLatency;
  /** Called for each batch that was handed over. */
  readonly onSent: (events: number, bytes: number) => void;
  /** Ends the run between two batches. */
  readonly signal: AbortSignal;
}

/** A run that is to end is seen to after this long. */
const LONGEST_WAIT_MS = 100;

/** Sends all that the plan has. Rejects as {@link Sender.write} does. @returns how many events that were. */
export async function sendByPlan(run: PlannedSend): Promise<number> {
  const { plan, frames, sender, clock, recordSent, onSent, signal } = run;
  let sent = 0;
  for (;;) {
    const now = clock.nowMs();
    const events = plan.take(now, sent);
    if (events === 0) {
      const next = plan.nextMs(now, sent);
      if (next === undefined || signal.aborted) return sent;
      await clock.until(Math.min(next, now + LONGEST_WAIT_MS));
      continue;
    }
    const bytes = frames.batch(sent, events);
    await sender.write(bytes, events);
    sent += events;
    onSent(events, bytes.length);
    const written = clock.nowMs();
    plan.latencies(written, sent - events, sent, recordSent);
    if (signal.aborted) return sent;
    await clock.until(written);
  }
}

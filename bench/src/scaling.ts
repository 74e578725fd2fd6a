/**
 * What a server with more cores than this machine would do, from what each stage costs an event here. A pipeline is as fast
 * as its slowest stage, and no faster than all its cores together: that is all there is to the model. `scaling-model.ts`
 * measures the costs; docs/scaling.md has the assumptions.
 */

/** Nanoseconds an event, of one thread, unless said otherwise. */
export interface StageCosts {
  /** An ingest thread without its scans: system calls, the event loop, the copy out of the kernel. */
  readonly read: number;
  /** The scan kernel: check, route, copy, CRC-32, publish. */
  readonly scan: number;
  /** What each further ingest thread adds to an event of every one, by claiming in the same lanes. */
  readonly contention: number;
  /** The log's thread on a core: what it computes. */
  readonly logCpu: number;
  /** The log's thread on the clock: it writes and waits for the disk. */
  readonly logWall: number;
  /** A lane's thread: take, durable or not, and a handler that does next to nothing. */
  readonly lane: number;
}

/** What binds, where it does. */
export type Bound = "ingest" | "log" | "lane" | "cores";

export interface Prediction {
  readonly cores: number;
  /** Ingest threads. */
  readonly workers: number;
  readonly eventsPerSecond: number;
  readonly bound: Bound;
  /** Events a second that each could do if nothing else bound. */
  readonly limits: Readonly<Record<Bound, number>>;
}

const NS = 1e9;

/**
 * @param workers ingest threads for that many cores: what `auto` chooses.
 * @param busiestLane share of the events that the busiest lane gets, above 0, to 1.
 * @param busiestLog share that the busiest thread of the log writes: 1 for the one thread that there is.
 */
export function predict(
  costs: StageCosts,
  cores: number,
  workers: number,
  busiestLane: number,
  busiestLog = 1,
): Prediction {
  const ingest = costs.read + costs.scan + costs.contention * (workers - 1);
  const limits = {
    ingest: (workers * NS) / ingest,
    log: NS / (Math.max(costs.logWall, costs.logCpu) * busiestLog),
    lane: NS / (costs.lane * busiestLane),
    cores: (cores * NS) / (ingest + costs.logCpu + costs.lane),
  };
  const [bound, eventsPerSecond] = (Object.entries(limits) as [Bound, number][]).reduce((least, one) =>
    one[1] < least[1] ? one : least,
  );
  return { cores, workers, eventsPerSecond, bound, limits };
}

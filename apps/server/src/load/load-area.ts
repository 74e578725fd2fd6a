/** What the load thread and the one that watches it share: counts and latencies, in an arena of their own. */
import { Arena, type ArenaHandle } from "@esc/arena";
import { CounterBlock, Histogram } from "@esc/metrics";

const COUNTERS = ["sent", "bytes"] as const;
/** One thread records; latencies up to an hour, three digits. */
const LATENCY = { maxThreads: 1 };
const SPARE_BYTES = 4_096;

export interface LoadArea {
  readonly handle: ArenaHandle;
  readonly counters: CounterBlock<(typeof COUNTERS)[number]>;
  /** From due to handed over to the system. */
  readonly sent: Histogram;
  /** From due to acknowledged. */
  readonly acknowledged: Histogram;
}

export function createLoadArea(): LoadArea {
  const arena = Arena.create({ bytes: 2 * Histogram.bytesFor(LATENCY) + SPARE_BYTES });
  CounterBlock.create(arena, "counters", COUNTERS);
  Histogram.create(arena, "sent", LATENCY);
  Histogram.create(arena, "acknowledged", LATENCY);
  return areaIn(arena);
}

export function attachLoadArea(handle: ArenaHandle): LoadArea {
  return areaIn(Arena.attach(handle));
}

function areaIn(arena: Arena): LoadArea {
  return {
    handle: arena.handle,
    counters: CounterBlock.attach(arena, "counters", COUNTERS),
    sent: Histogram.attach(arena, "sent"),
    acknowledged: Histogram.attach(arena, "acknowledged"),
  };
}

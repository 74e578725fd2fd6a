/** A claim in a lane as a thread has it in the middle of its scan. */
import type { RecordRing } from "@esc/queues";

/** A thread's number that no thread has. */
const OTHER_THREAD = 77;

/** What a ring has within. */
interface ClaimingRing {
  readonly address: number;
  readonly kernel: {
    addProducer(ring: number, thread: number, most: number): number;
    claimRecords(ring: number, producer: number, count: number, length: number): number;
  };
}

/** Takes bytes in a lane, as another thread's scan does that isn't done yet. @returns ends it, as a tombstone. */
export function openClaim(ring: RecordRing): () => void {
  const { address, kernel } = ring as unknown as ClaimingRing;
  const slot = kernel.addProducer(address, OTHER_THREAD, 16);
  if (kernel.claimRecords(address, slot, 1, 64) === 0) throw new Error(`${ring.name} is full`);
  return () => {
    if (ring.reclaim(OTHER_THREAD).closedClaims !== 1) throw new Error("there was no claim to close");
  };
}

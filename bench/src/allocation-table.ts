/** What each of our operations leaves on V8's heap: `ours/allocation.ts` measures it, in a process of its own. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { table } from "./report.ts";

const DRIVER = fileURLToPath(new URL("../ours/allocation.ts", import.meta.url));

/** Half a hundredth of a byte: what rounds to 0.00. Below it lie what a measurement itself allocates, a few hundred bytes. */
const NOTHING_BYTES = 0.005;

export interface Allocation {
  readonly operation: string;
  readonly operations: number;
  /** The heap's growth divided by the operations. */
  readonly bytesPerOperation: number;
  /** While they ran. With one of them, the growth says nothing. */
  readonly collections: number;
}

/** Every operation's, or the one's; the last line is a control that does allocate. */
export async function measureAllocation(operations?: number): Promise<Allocation[]> {
  // A young generation that 10 million operations of 24 bytes don't fill: nothing is collected while they are measured.
  const flags = ["--expose-gc", "--min-semi-space-size=512", "--max-semi-space-size=512"];
  const args = operations === undefined ? [] : [String(operations)];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, DRIVER, ...args], { timeout: 300_000 });
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Allocation);
}

/** Whether an operation allocates nothing that grows with their number. */
export function allocatesNothing({ bytesPerOperation, collections }: Allocation): boolean {
  return collections === 0 && bytesPerOperation < NOTHING_BYTES;
}

export function allocationTable(allocations: readonly Allocation[]): string {
  return table([
    ["operation", "operations", "bytes each", "collections", "0 bytes an operation"],
    ...allocations.map((one) => [
      one.operation,
      String(one.operations),
      one.bytesPerOperation.toFixed(2),
      String(one.collections),
      allocatesNothing(one) ? "reached" : one.operation.startsWith("control") ? "control" : "not reached",
    ]),
  ]);
}

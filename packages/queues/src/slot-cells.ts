/** What the slots have in common: a control block and cells in an arena, and what may go into a cell. */
import type { Arena, Region } from "@esc/arena";
import { EscError } from "@esc/events";

const MAX_CAPACITY = 2 ** 26;

/** @throws EscError `ESC_SLOTS_CAPACITY`. */
export function checkCapacity(name: string, capacity: number): void {
  if (capacity >= 2 && capacity <= MAX_CAPACITY && Number.isInteger(Math.log2(capacity))) return;
  throw new EscError(
    "ESC_SLOTS_CAPACITY",
    `Slots "${name}": a capacity is a power of two from 2 to ${MAX_CAPACITY}, not ${capacity}.`,
  );
}

/** The regions of slots: found, or made where sizes are given. */
export function cellRegions(
  arena: Arena,
  kind: string,
  name: string,
  controlBytes?: number,
  cellBytes?: number,
): { control: Region; cells: Region } {
  const names = [`${kind}.${name}.control`, `${kind}.${name}.cells`] as const;
  if (controlBytes === undefined || cellBytes === undefined) {
    return { control: arena.region(names[0]), cells: arena.region(names[1]) };
  }
  return { control: arena.allocate(names[0], controlBytes), cells: arena.allocate(names[1], cellBytes) };
}

/** @throws EscError `ESC_SLOTS_RANGE`. */
export function checkRange(from: number, to: number, length: number): void {
  if (from >= 0 && from <= to && to <= length) return;
  throw new EscError("ESC_SLOTS_RANGE", `From ${from} to ${to} is not within the array's ${length} numbers.`);
}

/** NaN is what an empty pop returns, so nobody may put it in. */
export function noNumber(): EscError {
  return new EscError("ESC_SLOTS_NUMBER", "NaN can't be put in: it is what pop() returns when there is nothing.");
}

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

/**
 * Copies numbers into the ring of cells, from cell `at` on and over its end. By fours: the compiler unrolls no loop.
 * @returns false when one of them is NaN; what was copied is then of no use.
 */
export function copyIn(cells: Float64Array, at: number, values: Float64Array, from: number, count: number): boolean {
  const first = Math.min(count, cells.length - at);
  return (
    copyPiece(cells, at, values, from, first) &&
    (first === count || copyPiece(cells, 0, values, from + first, count - first))
  );
}

function copyPiece(cells: Float64Array, at: number, values: Float64Array, from: number, count: number): boolean {
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const a = values[from + i] as number;
    const b = values[from + i + 1] as number;
    const c = values[from + i + 2] as number;
    const d = values[from + i + 3] as number;
    if (Number.isNaN(a) || Number.isNaN(b) || Number.isNaN(c) || Number.isNaN(d)) return false;
    cells[at + i] = a;
    cells[at + i + 1] = b;
    cells[at + i + 2] = c;
    cells[at + i + 3] = d;
  }
  for (; i < count; i++) {
    const value = values[from + i] as number;
    if (Number.isNaN(value)) return false;
    cells[at + i] = value;
  }
  return true;
}

/**
 * Copies numbers out of cells that lie in one piece, but for NaN: a cell of a claim that was closed behind a thread that ended.
 * @returns how many were copied.
 */
export function copyOut(cells: Float64Array, at: number, target: Float64Array, from: number, count: number): number {
  let to = from;
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const a = cells[at + i] as number;
    const b = cells[at + i + 1] as number;
    const c = cells[at + i + 2] as number;
    const d = cells[at + i + 3] as number;
    if (Number.isNaN(a) || Number.isNaN(b) || Number.isNaN(c) || Number.isNaN(d)) break;
    target[to] = a;
    target[to + 1] = b;
    target[to + 2] = c;
    target[to + 3] = d;
    to += 4;
  }
  for (; i < count; i++) {
    const value = cells[at + i] as number;
    if (!Number.isNaN(value)) target[to++] = value;
  }
  return to - from;
}

/** NaN is what an empty pop returns, so nobody may put it in. */
export function noNumber(): EscError {
  return new EscError("ESC_SLOTS_NUMBER", "NaN can't be put in: it is what pop() returns when there is nothing.");
}

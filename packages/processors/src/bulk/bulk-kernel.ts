/** The exports of this package's kernel; `assembly/` says what they do. `Flag` is a bool, which crosses as 0 or 1. */
import type { Arena } from "@esc/arena";
import { loadKernel } from "@esc/arena/kernel";
import { kernelBase64 } from "../kernel.generated.ts";

type Flag = number;

export interface BulkKernel {
  clearRoutes(table: number, slots: number): void;
  insertRoute(table: number, record: number, route: number, handler: number, number: number, builtIns: number): Flag;
  fillBatch(context: number, from: number, end: number, maxRecords: number, resume: Flag): number;
  eachBytes(context: number, from: number, end: number): number;
  observe(block: number, from: number, end: number): Flag;
  applyBuiltIns(block: number, record: number, builtIns: number): void;
}

export function bulkKernel(arena: Arena): BulkKernel {
  return loadKernel<BulkKernel>(kernelBase64, arena);
}

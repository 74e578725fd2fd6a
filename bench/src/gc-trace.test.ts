import { expect, test } from "vitest";
import { markedThreads, parseGcTrace, sumCollections } from "./gc-trace.ts";

const head = (isolate: string, ms: number) => `[14405:${isolate}] ${String(ms).padStart(8)} ms: `;
const sizes = "8.8 (10.0) -> 8.3 (10.2) MB, pooled: 0.0 MB, ";
const mu = "(average mu = 0.930, current mu = 0.930) ";
const forced = (isolate: string, ms: number) =>
  `${head(isolate, ms)}Mark-Compact ${sizes}3.88 / 0.00 ms ${mu}testing; GC in old space requested\n`;
const scavenge = (isolate: string, ms: number, pause: string) =>
  `${head(isolate, ms)}Scavenge ${sizes}${pause} / 0.00 ms ${mu}allocation failure; \n`;
const marks = "1000.5 main\n1200 lane.batch\n";

test("forced collections give isolates the names of the threads that marked them, in their order", () => {
  const text = forced("0xaa", 60) + forced("0xbb", 40) + scavenge("0xbb", 50, "0.25") + scavenge("0xaa", 90, "1.50");
  expect(parseGcTrace(text, marks)).toEqual([
    { thread: "lane.batch", atMs: 1_210, minor: true, pauseMs: 0.25 },
    { thread: "main", atMs: 1_030.5, minor: true, pauseMs: 1.5 },
  ]);
  expect(markedThreads(marks)).toEqual(["main", "lane.batch"]);
});

test("a major collection's pause has its incremental steps in it", () => {
  const steps =
    "(+ 6.5 ms in 49 steps since start of marking, biggest step 4.2 ms, walltime since start of marking 32 ms) ";
  const major = `${head("0xaa", 70)}Incremental Mark-Compact ${sizes}11.50 / 0.00 ms ${steps}${mu}finalize; \n`;
  const [one] = parseGcTrace(forced("0xaa", 60) + major, "1000 main\n");
  expect(one).toEqual({ thread: "main", atMs: 1_010, minor: false, pauseMs: 18 });
});

test("a log line in the middle of a trace line takes nothing from it", () => {
  const line = scavenge("0xaa", 61, "0.10");
  const torn = `${line.slice(0, 30)}{"level":30,"msg":"ready"}\n${line.slice(30)}`;
  expect(parseGcTrace(forced("0xaa", 60) + torn, "1000 main\n")).toHaveLength(1);
});

test("marks and forced collections that don't match are an error, not a guess", () => {
  expect(() => parseGcTrace(forced("0xaa", 60), marks)).toThrow("2 threads marked, 1 are in the trace");
  expect(() => parseGcTrace(forced("0xaa", 60) + forced("0xbb", 60), "1000 main\n")).toThrow("no thread marked");
});

test("sums are by thread, of the time asked for, with zeros for a thread without any", () => {
  const one = { thread: "log", minor: true, pauseMs: 0.5 };
  const all = [
    { ...one, atMs: 9 },
    { ...one, atMs: 10 },
    { ...one, atMs: 20, minor: false, pauseMs: 3 },
  ];
  const sums = sumCollections(all, ["log", "ingest"], 10, 20);
  expect(sums.get("log")).toEqual({ minor: 1, major: 1, minorMs: 0.5, majorMs: 3, longestMs: 3 });
  expect(sums.get("ingest")).toEqual({ minor: 0, major: 0, minorMs: 0, majorMs: 0, longestMs: 0 });
});

/** V8's own account of its collections, read: whose they were, of which kind, and how long everything else stood still. */

/** One collection. */
export interface Collection {
  /** The thread's name. */
  readonly thread: string;
  /** When it ended, milliseconds since the epoch, to about a millisecond. */
  readonly atMs: number;
  /** Of the young generation alone. */
  readonly minor: boolean;
  /** How long the thread stood still; a major one's incremental steps included. */
  readonly pauseMs: number;
}

/** A thread's collections within a time, summed up. */
export interface CollectionSum {
  readonly minor: number;
  readonly major: number;
  readonly minorMs: number;
  readonly majorMs: number;
  readonly longestMs: number;
}

/** Log lines that the process wrote among the trace: JSON, each written at once, so it may stand in the middle of a line. */
const LOG_LINE = /\{"level":\d+,[^\n]*\}\n/g;
const TRACE_LINE =
  /^\[\d+:(0x[0-9a-f]+)\] +(\d+) ms: ([A-Z][A-Za-z -]*?)(?: \([a-z ]+\))? [\d.]+ \([\d.]+\) -> [\d.]+ \([\d.]+\) MB,(?: pooled: [\d.]+ MB,)? ([\d.]+) \/ [\d.]+ ms(.*)$/;
const STEPS = /\(\+ ([\d.]+) ms in \d+ steps/;

/**
 * Reads what a process printed under `--trace-gc`, with `gc-mark.ts` in each of its threads.
 * @param marks what that wrote: a line a thread, when it was and its name.
 * @throws Error when forced collections and marks don't match: then nobody knows whose is which.
 */
export function parseGcTrace(output: string, marks: string): Collection[] {
  const names = marks.trim().split("\n");
  /** By isolate: its thread, and what is to be added to its time. */
  const isolates = new Map<string, { readonly thread: string; readonly beginMs: number }>();
  const found: Collection[] = [];
  for (const line of output.replace(LOG_LINE, "").split("\n")) {
    const [, isolate = "", since = "", kind = "", pause = "", rest = ""] = TRACE_LINE.exec(line) ?? [];
    if (isolate === "") continue;
    if (rest.includes("testing") && !isolates.has(isolate)) {
      const [at, ...words] = (names[isolates.size] ?? "").split(" ");
      if (words.length === 0) throw new Error(`a forced collection that no thread marked: ${line}`);
      isolates.set(isolate, { thread: words.join(" "), beginMs: Number(at) - Number(since) });
      continue;
    }
    // Before its mark a thread has no name: it is not there yet.
    const owner = isolates.get(isolate);
    if (owner === undefined) continue;
    found.push({
      thread: owner.thread,
      atMs: owner.beginMs + Number(since),
      minor: kind === "Scavenge" || kind.startsWith("Minor"),
      pauseMs: Number(pause) + Number(STEPS.exec(rest)?.[1] ?? 0),
    });
  }
  if (isolates.size !== names.length)
    throw new Error(`${names.length} threads marked, ${isolates.size} are in the trace`);
  return found;
}

/** Sums up by thread what ended from `fromMs` to `toMs`. Threads of `names` without any are there too, with zeros. */
export function sumCollections(
  all: readonly Collection[],
  names: readonly string[],
  fromMs: number,
  toMs: number,
): Map<string, CollectionSum> {
  const within = all.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
  const total = (some: readonly Collection[]) => some.reduce((sum, { pauseMs }) => sum + pauseMs, 0);
  return new Map(
    names.map((name) => {
      const own = within.filter(({ thread }) => thread === name);
      const minor = own.filter((one) => one.minor);
      const major = own.filter((one) => !one.minor);
      return [
        name,
        {
          ...{ minor: minor.length, major: major.length, minorMs: total(minor), majorMs: total(major) },
          longestMs: Math.max(0, ...own.map(({ pauseMs }) => pauseMs)),
        },
      ];
    }),
  );
}

/** The threads' names, in the order they began. */
export function markedThreads(marks: string): string[] {
  return marks
    .trim()
    .split("\n")
    .map((line) => line.slice(line.indexOf(" ") + 1));
}

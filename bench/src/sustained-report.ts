/** What a sustained run is summed up to: rates a second, memory, and whether everything that was wanted was reached. */
import { spread } from "./figure.ts";
import type { CollectionSum } from "./gc-trace.ts";
import { digits, table } from "./report.ts";

/** One look at the server, about a second after the one before. */
export interface Sample {
  /** Milliseconds since the load began. */
  readonly atMs: number;
  readonly processed: number;
  readonly stored: number;
  /** Bytes sent to the disk since the server's start. */
  readonly diskBytes: number;
  readonly rssBytes: number;
}

/** Rates between two looks that follow each other. */
export interface Second {
  readonly atMs: number;
  readonly handledPerSecond: number;
  readonly storedPerSecond: number;
  readonly diskBytesPerSecond: number;
  readonly rssBytes: number;
}

export function perSecond(samples: readonly Sample[]): Second[] {
  return samples.slice(1).map((now, index) => {
    const before = samples[index] as Sample;
    const seconds = (now.atMs - before.atMs) / 1e3;
    return {
      atMs: now.atMs,
      handledPerSecond: (now.processed - before.processed) / seconds,
      storedPerSecond: (now.stored - before.stored) / seconds,
      diskBytesPerSecond: (now.diskBytes - before.diskBytes) / seconds,
      rssBytes: now.rssBytes,
    };
  });
}

const MB = 1e6;

/** A row a second. */
export function secondsTable(seconds: readonly Second[]): string {
  return table([
    ["second", "handled, M/s", "stored, M/s", "to the disk, MB/s", "RSS, MB"],
    ...seconds.map(({ atMs, handledPerSecond, storedPerSecond, diskBytesPerSecond, rssBytes }) => [
      (atMs / 1e3).toFixed(0),
      digits(handledPerSecond / 1e6),
      digits(storedPerSecond / 1e6),
      (diskBytesPerSecond / MB).toFixed(0),
      (rssBytes / MB).toFixed(0),
    ]),
  ]);
}

/** A row for each thread. */
export function collectionsTable(sums: ReadonlyMap<string, CollectionSum>): string {
  return table([
    ["thread", "major", "minor", "minor pauses, ms in all", "longest pause, ms"],
    ...[...sums].map(([name, { major, minor, minorMs, longestMs }]) => [
      ...[name, String(major), String(minor)],
      minorMs.toFixed(2),
      longestMs.toFixed(2),
    ]),
  ]);
}

/** What is asked of a sustained run. */
export interface Demand {
  readonly what: string;
  readonly wanted: string;
  readonly measured: string;
  readonly reached: boolean;
}

export interface SustainedRun {
  readonly eventsPerSecond: number;
  readonly lost: number;
  /** The log's bytes a second over the whole run, and what `dd` wrote in the same run, bytes a second. */
  readonly logBytesPerSecond: number;
  readonly disk: readonly number[];
  readonly seconds: readonly Second[];
  /** Highest resident memory of all. */
  readonly highestRss: number;
  /** Of the threads on an event's way. */
  readonly collections: ReadonlyMap<string, CollectionSum>;
}

const WANTED_RATE = 10e6;
const WANTED_SHARE = 0.9;
const MOST_RSS = 500e6;
const SETTLED_MS = 5_000;
/** From the least to the most after the first seconds: less is flat. */
const FLAT_SHARE = 0.05;

/** The table of what was asked for. The disk is taken at its median. */
export function demands(run: SustainedRun): Demand[] {
  const disk = spread(run.disk).median;
  const share = run.logBytesPerSecond / disk;
  const settled = run.seconds.filter(({ atMs }) => atMs > SETTLED_MS);
  const rss = spread((settled.length > 0 ? settled : run.seconds).map(({ rssBytes }) => rssBytes));
  const all = [...run.collections.values()];
  const sum = (read: (one: CollectionSum) => number) => all.reduce((total, one) => total + read(one), 0);
  const minorMs = sum((one) => one.minorMs);
  const mb = (bytes: number) => (bytes / MB).toFixed(0);
  const rate = digits(run.eventsPerSecond / 1e6);
  return [
    {
      what: "events a second with the log, or the disk's share",
      wanted: "10 M/s, or 90% of the disk",
      measured: `${rate} M/s, ${mb(run.logBytesPerSecond)} of ${mb(disk)} MB/s: ${(share * 100).toFixed(0)}%`,
      reached: run.eventsPerSecond >= WANTED_RATE || share >= WANTED_SHARE,
    },
    { what: "lost, by the server's counts", wanted: "0", measured: String(run.lost), reached: run.lost === 0 },
    {
      what: "memory at its highest",
      wanted: "under 500 MB",
      measured: `${mb(run.highestRss)} MB`,
      reached: run.highestRss < MOST_RSS,
    },
    {
      what: "memory after 5 s: least, median, most",
      wanted: "flat (within 5%)",
      measured: `${mb(rss.lowest)}, ${mb(rss.median)}, ${mb(rss.highest)} MB`,
      reached: rss.highest - rss.lowest <= rss.highest * FLAT_SHARE,
    },
    {
      what: "major collections in ingest, lane and log threads",
      wanted: "0",
      measured: String(sum((one) => one.major)),
      reached: sum((one) => one.major) === 0,
    },
    {
      what: "their minor pauses in all",
      wanted: "under 1 ms",
      measured: `${minorMs.toFixed(2)} ms`,
      reached: minorMs < 1,
    },
  ];
}

export function demandsTable(rows: readonly Demand[]): string {
  return table([
    ["what", "wanted", "measured", ""],
    ...rows.map(({ what, wanted, measured, reached }) => [what, wanted, measured, reached ? "reached" : "not reached"]),
  ]);
}

/**
 * What became of dead letters: retried, purged, or about to be retried. A file of lines behind the log of dead letters,
 * which itself is never changed. A line is durable before what it says is done; a line that a crash cut off is no line.
 *
 * `<CRC-32 in hex> <JSON>`: `{ "retrying": [sequences], "lane", "from" }` before they go into a lane again, which will be at
 * sequence `from` or behind it; `{ "retried": [ranges] }`, `{ "waiting": [sequences] }` (they are not: there was no room),
 * `{ "purged": [ranges] }`.
 */
import { closeSync, fdatasyncSync, ftruncateSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { makeDirectory, nodeFs } from "@esc/storage";
import { SequenceSet } from "./sequence-set.ts";

/** Dead letters that were to go into a lane when the process ended. */
export interface Attempted {
  readonly lane: string;
  /** The lane's sequence at or behind which they are, if they got there. */
  readonly from: number;
}

export type LetterState = "waiting" | "retrying" | "retried" | "purged";
type Ranges = readonly (readonly [number, number])[];

interface Line {
  readonly retrying?: readonly number[];
  readonly lane?: string;
  readonly from?: number;
  readonly retried?: Ranges;
  readonly waiting?: readonly number[];
  readonly purged?: Ranges;
}

/** A file longer than this is written anew when it is opened: most of its lines say what later ones say as well. */
const COMPACT_BYTES = 65_536;

export class DeadLetterMarks implements Disposable {
  readonly retried = new SequenceSet();
  readonly purged = new SequenceSet();
  /** By dead letter. */
  readonly retrying = new Map<number, Attempted>();
  readonly #dir: string;
  readonly #path: string;
  #fd: number | undefined;
  #size = 0;

  /** @param dir made when missing, at the first mark. @throws the system's error when the file can't be read. */
  constructor(dir: string) {
    this.#dir = dir;
    this.#path = join(dir, "marks");
    const { lines, soundBytes, bytes } = readLines(this.#path);
    for (const line of lines) this.#apply(line);
    if (bytes === 0) return;
    this.#fd = openSync(this.#path, "r+");
    if (soundBytes < bytes) ftruncateSync(this.#fd, soundBytes);
    this.#size = soundBytes;
    if (soundBytes > COMPACT_BYTES) this.#compact();
  }

  state(sequence: number): LetterState {
    if (this.purged.has(sequence)) return "purged";
    if (this.retried.has(sequence)) return "retried";
    return this.retrying.has(sequence) ? "retrying" : "waiting";
  }

  /** The first dead letter from one on that isn't retried or purged. */
  firstOpen(from: number): number {
    for (let at = from; ; ) {
      const next = this.retried.firstMissing(this.purged.firstMissing(at));
      if (next === at) return at;
      at = next;
    }
  }

  markRetrying(sequences: readonly number[], attempted: Attempted): void {
    this.#write({ retrying: sequences, ...attempted });
  }

  markRetried(sequences: readonly number[]): void {
    this.#write({ retried: rangesOf(sequences) });
  }

  markWaiting(sequences: readonly number[]): void {
    this.#write({ waiting: sequences });
  }

  markPurged(sequences: readonly number[]): void {
    this.#write({ purged: rangesOf(sequences) });
  }

  /** Dead letters before a sequence are gone from the log. */
  dropBefore(sequence: number): void {
    this.retried.dropBefore(sequence);
    this.purged.dropBefore(sequence);
    if (this.#fd !== undefined) this.#compact();
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #write(line: Line): void {
    if (this.#fd === undefined) {
      makeDirectory(this.#dir);
      this.#fd = openSync(this.#path, "w+");
      nodeFs.syncDirectory(this.#dir);
    }
    const bytes = Buffer.from(encode(line));
    writeSync(this.#fd, bytes, 0, bytes.length, this.#size);
    fdatasyncSync(this.#fd);
    this.#size += bytes.length;
    this.#apply(line);
  }

  #apply({ retrying = [], lane = "", from = 1, retried = [], waiting = [], purged = [] }: Line): void {
    for (const sequence of retrying) this.retrying.set(sequence, { lane, from });
    for (const sequence of waiting) this.retrying.delete(sequence);
    for (const [first, last] of retried) {
      this.retried.add(first, last);
      for (const sequence of this.retrying.keys())
        if (sequence >= first && sequence <= last) this.retrying.delete(sequence);
    }
    for (const [first, last] of purged) this.purged.add(first, last);
  }

  /** Writes what is known anew, beside, and puts it in place. */
  #compact(): void {
    const lines: Line[] = [{ retried: this.retried.ranges }, { purged: this.purged.ranges }];
    for (const [sequence, attempted] of this.retrying) lines.push({ retrying: [sequence], ...attempted });
    const beside = `${this.#path}.new`;
    const fd = openSync(beside, "w+");
    const bytes = Buffer.from(lines.map(encode).join(""));
    writeSync(fd, bytes, 0, bytes.length, 0);
    fdatasyncSync(fd);
    renameSync(beside, this.#path);
    nodeFs.syncDirectory(this.#dir);
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = fd;
    this.#size = bytes.length;
  }
}

function encode(line: Line): string {
  const json = JSON.stringify(line);
  return `${crc32(json).toString(16).padStart(8, "0")} ${json}\n`;
}

function readLines(path: string): { lines: Line[]; soundBytes: number; bytes: number } {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { lines: [], soundBytes: 0, bytes: 0 };
    throw error;
  }
  const lines: Line[] = [];
  let soundBytes = 0;
  for (const raw of text.split("\n").slice(0, -1)) {
    const json = raw.slice(9);
    if (raw.slice(0, 8) !== crc32(json).toString(16).padStart(8, "0")) break;
    lines.push(JSON.parse(json) as Line);
    soundBytes += Buffer.byteLength(raw) + 1;
  }
  return { lines, soundBytes, bytes: Buffer.byteLength(text) };
}

function rangesOf(sequences: readonly number[]): Ranges {
  const set = new SequenceSet();
  for (const sequence of sequences) set.add(sequence);
  return set.ranges;
}

/**
 * The machine's description as files under a root: `/` for this machine, any folder for a recorded one. Whatever can't be
 * read is missing, and noted once: a topology is never a reason for not starting.
 */
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";

/** What is needed of a file system. Both throw as `node:fs` does. */
export interface FileReader {
  readonly read: (path: string) => string;
  readonly list: (path: string) => readonly string[];
}

/** The files read here are some KB at most; more is garbage. */
const MOST_BYTES = 262_144;
const MOST_NOTES = 20;

/** Missing, and not worth a word: older kernels, other systems and containers lack some. */
const MISSING: ReadonlySet<string | undefined> = new Set(["ENOENT", "ENOTDIR"]);

export class SystemFiles {
  readonly notes: string[] = [];
  readonly #reader: FileReader;

  constructor(root: string, reader: FileReader = { read: readBounded, list: readdirSync }) {
    this.#reader = {
      read: (path) => reader.read(join(root, path)),
      list: (path) => reader.list(join(root, path)),
    };
  }

  /** A file's text without the white space around it; undefined when it can't be read. */
  text(path: string): string | undefined {
    return this.#tried(path, () => this.#reader.read(path).trim());
  }

  /** What `parse` makes of a file; undefined, and a note, where it makes nothing of it. */
  parsed<Value>(path: string, parse: (text: string) => Value | undefined): Value | undefined {
    const text = this.text(path);
    if (text === undefined) return undefined;
    const value = parse(text);
    if (value === undefined) this.note(`${path} makes no sense: ${JSON.stringify(text.slice(0, 40))}`);
    return value;
  }

  /** The numbers N of a folder's entries that are called `<prefix>N`, ascending. */
  numbered(path: string, prefix: string): readonly number[] {
    const names = this.#tried(path, () => this.#reader.list(path)) ?? [];
    return names
      .filter((name) => name.startsWith(prefix) && /^\d{1,4}$/.test(name.slice(prefix.length)))
      .map((name) => Number(name.slice(prefix.length)))
      .sort((a, b) => a - b);
  }

  note(text: string): void {
    if (this.notes.length < MOST_NOTES && !this.notes.includes(text)) this.notes.push(text);
  }

  #tried<Value>(path: string, read: () => Value): Value | undefined {
    try {
      return read();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (!MISSING.has(code)) this.note(`${path} can't be read (${code ?? (error as Error).message})`);
      return undefined;
    }
  }
}

/** Files in /sys and /proc have no size that says anything: read until there is no more, or too much. */
function readBounded(path: string): string {
  const bytes = Buffer.allocUnsafe(MOST_BYTES);
  const file = openSync(path, "r");
  try {
    let length = 0;
    while (length < MOST_BYTES) {
      const read = readSync(file, bytes, length, MOST_BYTES - length, null);
      if (read === 0) break;
      length += read;
    }
    return bytes.toString("utf8", 0, length);
  } finally {
    closeSync(file);
  }
}

/**
 * A durable cursor: how far a lane's processor or a consumer group has come. Written beside and renamed, so that a crash leaves the old
 * one or the new one; a broken file is told, and reads as "unknown".
 */
import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { makeDirectory } from "./log-fs.ts";

/** What a cursor's file says. */
export type CursorState =
  /** Everything before this sequence is processed. */
  | { readonly kind: "known"; readonly nextSequence: number }
  /** There was none yet. */
  | { readonly kind: "new" }
  /** The file is there and says nothing sound. */
  | { readonly kind: "broken"; readonly reason: string };

export class CursorFile {
  readonly #path: string;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<CursorState> {
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return { kind: "new" };
      throw error;
    }
    const match = /^(\d{1,16}) ([0-9a-f]{8})\n$/.exec(text);
    if (match === null) return { kind: "broken", reason: "it isn't a sequence and its CRC-32" };
    if (checksum(match[1] as string) !== match[2]) return { kind: "broken", reason: "the CRC-32 doesn't fit" };
    return { kind: "known", nextSequence: Number(match[1]) };
  }

  /** Writes it durably. Calls are served one after the other. */
  write(nextSequence: number): Promise<void> {
    const next = this.#writing.catch(() => undefined).then(() => this.#write(nextSequence));
    this.#writing = next;
    return next;
  }

  async #write(nextSequence: number): Promise<void> {
    const dir = dirname(this.#path);
    // With the names of folders that it makes: a cursor in a folder that a crash takes away is none.
    makeDirectory(dir);
    const beside = `${this.#path}.new`;
    const file = await open(beside, "w", 0o640);
    try {
      await file.writeFile(`${nextSequence} ${checksum(String(nextSequence))}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(beside, this.#path);
    const folder = await open(dir, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}

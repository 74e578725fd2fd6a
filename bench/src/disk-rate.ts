/** What the disk itself takes, by `dd`: the bound that a log is measured against. */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";

const FILE_BYTES = 2 ** 30;

/** How `dd` syncs: after each block, or once at the end of the file. */
export type Syncing = "oflag=dsync" | "conv=fdatasync";

/**
 * Bytes a second of each file that `dd` writes in `dir`, one after the other until `seconds` are over.
 * @param blockBytes of one write.
 * @param fileBytes of one file, 1 GiB unless given. A system that has to find memory for the file's pages is slower at a long one.
 */
export function ddRates(
  dir: string,
  seconds: number,
  blockBytes: number,
  syncing: Syncing,
  fileBytes: number = FILE_BYTES,
): number[] {
  const path = join(dir, "dd.bytes");
  const rates: number[] = [];
  const count = Math.ceil(fileBytes / blockBytes);
  const until = performance.now() + seconds * 1e3;
  do {
    const started = performance.now();
    execFileSync("dd", ["if=/dev/zero", `of=${path}`, `bs=${blockBytes}`, `count=${count}`, syncing, "status=none"]);
    rates.push(((count * blockBytes) / (performance.now() - started)) * 1e3);
    rmSync(path);
  } while (performance.now() < until);
  return rates;
}

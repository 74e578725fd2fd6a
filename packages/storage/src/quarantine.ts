/**
 * The mark on a segment in which damage was found. The segment itself stays as it is, byte for byte, and is never
 * appended to again; the mark says to people and to the next start what is wrong with it, so that it needn't be read again.
 */
import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { type LogFs, writeWhole } from "./log-fs.ts";
import type { Damage } from "./segment-check.ts";
import { quarantinePath } from "./segment-files.ts";

/** Writes the mark durably: a line of JSON for each damaged place, and the CRC-32 of these lines. */
export function markQuarantined(segmentPath: string, damage: readonly Damage[], fs: LogFs): void {
  const lines = damage.map((place) => `${JSON.stringify(place)}\n`).join("");
  writeWhole(fs, quarantinePath(segmentPath), Buffer.from(`${lines}${checksum(lines)}\n`), true);
}

/** What the mark says; undefined when there is none that is sound: then only reading the segment tells. */
export function readQuarantine(segmentPath: string): readonly Damage[] | undefined {
  let text: string;
  try {
    text = readFileSync(quarantinePath(segmentPath), "utf8");
  } catch {
    return undefined;
  }
  const lines = text.slice(0, text.lastIndexOf("\n", text.length - 2) + 1);
  if (lines === "" || text !== `${lines}${checksum(lines)}\n`) return undefined;
  return lines
    .trimEnd()
    .split("\n")
    .map((line) => {
      const place = JSON.parse(line) as Damage;
      return { ...place, path: segmentPath, missingTo: place.missingTo };
    });
}

function checksum(lines: string): string {
  return crc32(lines).toString(16).padStart(8, "0");
}

/** What our figures have in common. */
import { readFileSync } from "node:fs";
import type { Figure } from "../src/figure.ts";

/** Items that every queue holds, ours and the peers'. */
export const CAPACITY = 8_192;

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/** The name of a case's figures; `variant` says what is different from the plain way. */
export function named(name: string, variant?: string): Pick<Figure, "peer" | "version" | "case"> {
  return {
    peer: variant === undefined ? "ours" : `ours, ${variant}`,
    version: `EventStreamCore ${version}`,
    case: name,
  };
}

/** Seconds since `start`, a `performance.now()`. */
export function secondsSince(start: number): number {
  return (performance.now() - start) / 1e3;
}

/** @throws Error unless `wrong` is 0: a figure for work that was not done is never printed. */
export function verify(wrong: number): void {
  if (wrong !== 0) throw new Error(`wrong result: ${wrong} items out of sequence`);
}

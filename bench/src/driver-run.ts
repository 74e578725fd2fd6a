/** Runs one case of a driver, ours or a peer's, in a process of its own, and reads its figures. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Figure, parseFigure, type Spread, spread } from "./figure.ts";

/** A figure, summed up. */
export interface Result extends Figure, Spread {}

export interface RunOptions {
  /** Measured runs of each case; default 5. */
  readonly runs?: number;
  /** About how long a run lasts; default 1. */
  readonly seconds?: number;
}

/** For a start and the warm-up. Who takes longer than this and ten times the asked time hangs, and is killed. */
const SET_UP_SECONDS = 60;

/** @throws RangeError unless runs are 1 or more and seconds 0.01 to 60. */
export function checkOptions({ runs = 5, seconds = 1 }: RunOptions): void {
  if (!Number.isInteger(runs) || runs < 1) throw new RangeError(`runs must be a whole number from 1, not ${runs}`);
  if (!(seconds >= 0.01 && seconds <= 60)) throw new RangeError(`seconds must be from 0.01 to 60, not ${seconds}`);
}

/**
 * One case: a result, or three of a latency. Rejects when the driver hangs, fails, or prints something else.
 * @param key the driver's name for the case: "case", or "case/variant".
 */
export async function runDriver(
  name: string,
  [file, ...args]: readonly [string, ...string[]],
  key: string,
  { runs = 5, seconds = 1 }: RunOptions,
): Promise<Result[]> {
  const { stdout } = await promisify(execFile)(
    file,
    [...args, "--runs", String(runs), "--seconds", String(seconds), "--case", key],
    { timeout: (SET_UP_SECONDS + runs * seconds * 10) * 1_000, killSignal: "SIGKILL" },
  );
  const figures = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map(parseFigure);
  if (figures.length === 0 || figures.some((figure) => figure.case !== key.split("/")[0])) {
    throw new Error(`${name} printed something else than figures of ${key}: ${stdout}`);
  }
  return figures.map((figure) => ({ ...figure, ...spread(figure.runs) }));
}

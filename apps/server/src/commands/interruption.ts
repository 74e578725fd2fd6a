/** Ctrl-C on a command that has something to tell at its end. */
import { ExitCode } from "./usage-error.ts";

/** Signals closer together than this are one: a terminal and the launcher both pass Ctrl-C on. */
const SAME_SIGNAL_MS = 400;

/** The first signal ends the run in order, a second one at once. */
export function onInterrupt(end: () => void, signals: readonly NodeJS.Signals[] = ["SIGINT"]): void {
  let first: number | undefined;
  const heard = () => {
    if (first === undefined) {
      first = performance.now();
      end();
    } else if (performance.now() - first > SAME_SIGNAL_MS) process.exit(ExitCode.incomplete);
  };
  for (const signal of signals) process.on(signal, heard);
}

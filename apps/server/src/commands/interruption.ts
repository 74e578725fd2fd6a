/** Ctrl-C on a command that has something to tell at its end. */
import { StopSignals } from "./stop-signals.ts";
import { ExitCode } from "./usage-error.ts";

/** The first signal ends the run in order, one that comes after the answer to it at once. */
export function onInterrupt(end: () => void, names: readonly NodeJS.Signals[] = ["SIGINT"]): void {
  const signals = new StopSignals();
  const hear = () => {
    const heard = signals.hear();
    if (heard === "first") {
      process.stderr.write("interrupted: waiting for what is under way; once more ends at once\n");
      signals.answered();
      end();
    } else if (heard === "again") process.exit(ExitCode.incomplete);
  };
  for (const name of names) process.on(name, hear);
}

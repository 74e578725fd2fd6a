#!/usr/bin/env node
/** `esc`: the command line. Errors a person can mend are shown as a sentence; the exit code says what kind. */
import { cac } from "cac";
import { registerBench } from "./commands/bench.ts";
import { registerConfig } from "./commands/config-check.ts";
import { registerDelayed } from "./commands/delayed.ts";
import { registerDlq } from "./commands/dlq.ts";
import { registerLog } from "./commands/log.ts";
import { registerNuma } from "./commands/numa.ts";
import { registerSend } from "./commands/send.ts";
import { registerStart } from "./commands/start.ts";
import { ExitCode, UsageError } from "./commands/usage-error.ts";
import { didYouMean } from "./config/nearest.ts";

const cli = cac("esc");
registerStart(cli);
registerSend(cli);
registerBench(cli);
registerLog(cli);
registerDlq(cli);
registerDelayed(cli);
registerConfig(cli);
registerNuma(cli);
cli.help();
cli.version("0.1.0");

try {
  cli.parse(process.argv, { run: false });
  const asked = cli.options.help === true || cli.options.version === true;
  if (cli.matchedCommand === undefined && !asked) {
    const [name] = cli.args;
    const known = cli.commands.map((command) => command.name);
    if (name !== undefined) throw new UsageError(`There is no command "${name}".${didYouMean(name, known)}`);
    cli.outputHelp();
    process.exitCode = ExitCode.usage;
  } else {
    await cli.runMatchedCommand();
  }
} catch (error) {
  const { code, message, name, stack } = error as NodeJS.ErrnoException;
  const usage = error instanceof UsageError || name === "CACError";
  // What has a code is a message for people; anything else is a fault of ours, with its trace.
  process.stderr.write(`esc: ${usage || code !== undefined ? message : stack}\n`);
  if (usage) process.stderr.write("See esc --help.\n");
  process.exit(usage ? ExitCode.usage : ExitCode.failed);
}

/** `esc config check FILE`: says what is wrong with a configuration, or shows what it comes to. */
import { resolve } from "node:path";
import type { CAC } from "cac";
import { ConfigError } from "../config/config-error.ts";
import { loadConfig } from "../config/load-config.ts";
import { DEFAULT_TOPICS_FILE, readTopics } from "../config/topics-file.ts";
import { ExitCode, UsageError } from "./usage-error.ts";

export function registerConfig(cli: CAC): void {
  cli
    .command("config <action> <file>", "Check a configuration: esc config check FILE")
    .option("--json", "One JSON object on standard output")
    .action((action: string, file: string, options: { json?: boolean }) => {
      if (action !== "check") throw new UsageError(`esc config ${action}: there is only "check".`);
      const cwd = process.env.INIT_CWD ?? process.cwd();
      try {
        const { config, warnings } = loadConfig({ file, env: process.env, cwd });
        const { topics_file: topics } = config.router;
        readTopics(topics ?? resolve(cwd, DEFAULT_TOPICS_FILE), topics !== undefined);
        if (options.json)
          process.stdout.write(`${JSON.stringify({ ok: true, file: resolve(cwd, file), warnings, config })}\n`);
        else
          process.stdout.write(
            [`${file} is sound.`, ...warnings.map((warning) => `warning: ${warning}`), ""].join("\n"),
          );
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        if (options.json) process.stdout.write(`${JSON.stringify({ ok: false, problems: error.problems })}\n`);
        else process.stderr.write(`${error.message}\n`);
        process.exitCode = ExitCode.failed;
      }
    });
}

/** `esc start`: runs the server until a signal. */
import { resolve } from "node:path";
import type { CAC } from "cac";
import { type Logger, pino } from "pino";
import pretty from "pino-pretty";
import { loadConfig } from "../config/load-config.ts";
import type { Config } from "../config/schema.ts";
import { DEFAULT_TOPICS_FILE } from "../config/topics-file.ts";
import { type Addresses, Server } from "../server.ts";
import { asWritten } from "./as-written.ts";
import { banner } from "./banner.ts";
import { StopSignals } from "./stop-signals.ts";
import { ExitCode, UsageError } from "./usage-error.ts";

export function registerStart(cli: CAC): void {
  cli
    .command("start", "Run the server")
    .option("--config <file>", "YAML configuration (default: $ESC_CONFIG, else embedded defaults)")
    .example("esc start --config config/esc.yaml")
    .action(async () => {
      const cwd = process.env.INIT_CWD ?? process.cwd();
      const file = asWritten(cli.rawArgs, "config");
      if (file === "") throw new UsageError("--config takes a file.");
      const loaded = loadConfig({ file: file ?? (process.env.ESC_CONFIG || undefined), env: process.env, cwd });
      const logger = createLogger(loaded.config);
      const server = new Server({
        loaded,
        defaultTopicsFile: resolve(cwd, DEFAULT_TOPICS_FILE),
        logger,
        onCrash: () => process.exit(ExitCode.failed),
      });
      const startedAt = performance.now();
      const abandon = new AbortController();
      // From before the start: what is begun then is ended in order, too.
      stopOnSignal(server, logger, abandon);
      let addresses: Addresses;
      try {
        addresses = await server.start(abandon.signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESC_START_ABANDONED") throw error;
        logger.info("stopped before it was ready");
        process.exit(ExitCode.ok);
      }
      logger.info(
        { ...addresses, data: loaded.config.storage.path, ms: Math.round(performance.now() - startedAt) },
        "ready",
      );
      process.stderr.write(banner(loaded.config, addresses));
    });
}

function createLogger({ app_name: name, logging }: Config): Logger {
  const { level, format } = logging;
  const usePretty = format === "pretty" || (format === "auto" && process.stdout.isTTY);
  const base = { name };
  if (!usePretty) return pino({ level, base }, pino.destination({ dest: 1, sync: true }));
  return pino({ level, base }, pretty({ sync: true, ignore: "pid,hostname,name", translateTime: "SYS:HH:MM:ss.l" }));
}

/** The first signal stops the server in order, or its start; a second one ends the process at once. */
function stopOnSignal(server: Server, logger: Logger, abandon: AbortController): void {
  const signals = new StopSignals();
  const onSignal = (signal: NodeJS.Signals) => {
    const heard = signals.hear();
    if (heard === "again") {
      logger.warn({ signal }, "ending at once");
      process.exit(ExitCode.failed);
    }
    if (heard === "copy") return;
    const now = performance.now();
    const starting = server.phase === "starting";
    logger.info(
      { signal },
      `stopping: ${starting ? "the start is abandoned" : "no new events, lanes are drained"}; once more ends at once`,
    );
    signals.answered();
    if (starting) {
      abandon.abort();
      return;
    }
    server.stop().then(
      (lost) => {
        logger.info({ ms: Math.round(performance.now() - now) }, "stopped");
        process.exit(Object.keys(lost).length === 0 ? ExitCode.ok : ExitCode.failed);
      },
      (error: Error) => {
        logger.fatal({ error: error.message }, "could not stop in order");
        process.exit(ExitCode.failed);
      },
    );
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}

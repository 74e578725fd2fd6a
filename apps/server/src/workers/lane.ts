/** A lane's worker: runs the handlers of one lane on a thread of its own. */
import { parentPort, workerData } from "node:worker_threads";
import { DeadLetters, type Handler, HandlerTable, LaneProcessor, toHandlers } from "@esc/processors";
import { CursorFile, cursorFile, logDirectory } from "@esc/storage";
import { importHandlers } from "../handlers/import-handlers.ts";
import { Pipeline } from "../pipeline.ts";
import type { LaneStart, LogLevel, WorkerMessage } from "./messages.ts";
import { startWorker } from "./start-failure.ts";

if (parentPort === null) throw new Error("This is a worker's entry; start the server with `esc start`.");
const port = parentPort;
const { handle, config, lane, backlog } = workerData as LaneStart;

await startWorker(port, async () => {
  const pipeline = Pipeline.attach(handle);
  const handlers = await loadHandlers(config.handlers);
  const stopping = new AbortController();
  const line = (level: LogLevel) => (message: string) => send({ type: "line", level, message: `${lane}: ${message}` });
  const processor = new LaneProcessor({
    lane,
    ring: pipeline.lane(lane),
    arenaBytes: pipeline.bytes,
    parker: pipeline.parker(`lane.${lane}`),
    handlers: new HandlerTable(handlers, lane),
    context: {
      lane,
      logger: { info: line("info"), warn: line("warn"), error: line("error") },
      signal: stopping.signal,
    },
    deadLetters: new DeadLetters(pipeline.deadLetters.appender(`dead-letters.${lane}`), lane),
    counters: pipeline.processors[lane],
    cursor: new CursorFile(cursorFile(config.storage.path, lane)),
    onlyDurable: lane === "transactional",
    skipOldest: lane === "realtime",
    handlerTimeoutMs: config.handler_timeout_ms,
  });
  // A sleep in Atomics.waitAsync doesn't keep an event loop alive; an open port does.
  port.ref();
  send({ type: "ready", slots: [processor.slot] });
  const mode = () => {
    const { value } = pipeline.modes.lanes;
    if (value === "stop") stopping.abort();
    return value;
  };
  await processor.run(mode, { dir: logDirectory(config.storage.path, lane), ...backlog });
  send({ type: "done" });
  port.close();
});

function send(message: WorkerMessage): void {
  port.postMessage(message);
}

async function loadHandlers(paths: readonly string[]): Promise<Handler[]> {
  const handlers: Handler[] = [];
  for (const path of paths) handlers.push(...toHandlers(await importHandlers(path), path));
  return handlers;
}

/** A lane's worker: runs the handlers of one lane on a thread of its own. */
import { parentPort, workerData } from "node:worker_threads";
import { EscError } from "@esc/events";
import { currentTid } from "@esc/numa";
import {
  AlertBudget,
  type AlertLevel,
  type BuiltIn,
  CheckpointFile,
  createIdWindow,
  DeadLetters,
  type Definitions,
  Emitter,
  type Handler,
  HandlerTable,
  LaneProcessor,
  PastLayouts,
  toDefinitions,
  type Window,
} from "@esc/processors";
import { RecordShare } from "@esc/queues/kernel";
import { CursorFile, cursorFile, logDirectory } from "@esc/storage";
import { configuredBuiltIns } from "../configured-built-ins.ts";
import { importHandlers } from "../handlers/import-handlers.ts";
import { lanePolicy, topicRules } from "../lane-policy.ts";
import { LaneRings } from "../lane-rings.ts";
import { Pipeline } from "../pipeline.ts";
import { priorityOverrides } from "../priority-overrides.ts";
import type { BuiltInShape, LaneOrder, LaneStart, LogLevel, WorkerMessage } from "./messages.ts";
import { startWorker } from "./start-failure.ts";

if (parentPort === null) throw new Error("This is a worker's entry; start the server with `esc start`.");
const port = parentPort;
const start = workerData as LaneStart;
const { handle, config, lane, name, file, sharding, to, fresh, checkpoint, deathOf, overrides } = start;

/** How often the thread says that it lives, ms. */
const BEAT_MS = 250;
const ALERTS = { burst: 100, perSecond: 10 };

await startWorker(port, async () => {
  const pipeline = Pipeline.attach(handle);
  const state = pipeline.state(name);
  setInterval(() => state.beat(), BEAT_MS).unref();
  const { processing, handler_timeout_ms: handlerTimeoutMs } = config;
  const definitions = await loadDefinitions(config.handlers, configuredBuiltIns(config));
  const handlers = new HandlerTable(definitions, lane, {
    rules: topicRules(config),
    policy: lanePolicy(config, lane),
    watchesSla: lane === "realtime",
  });
  const rings = new LaneRings(pipeline, lane, name, config);
  const counters = pipeline.counters(name);
  const stopping = new AbortController();
  const now = () => performance.now();
  const clock = () => Date.now();
  const budget = new AlertBudget(ALERTS, now());
  const alert = (level: AlertLevel, text: string) => {
    const within = budget.take(now());
    counters.add(within ? "alerts.raised" : "alerts.dropped");
    if (within) send({ type: "alert", alert: { level, text, source: name, atMs: clock() } });
  };
  const line = (level: LogLevel) => (message: string) => send({ type: "line", level, message: `${name}: ${message}` });
  const dedup = processing.dedup;
  const processor = new LaneProcessor({
    ring: pipeline.lane(lane),
    consumer: rings.consumer,
    share:
      sharding.shards > 1
        ? new RecordShare(pipeline.arena, `share.${name}`, {
            ...{ by: sharding.by, shares: sharding.shards, share: start.shard },
          })
        : undefined,
    name,
    arena: pipeline.arena,
    arenaBytes: pipeline.bytes,
    parker: pipeline.parker(`lane.${name}`),
    handlers,
    context: {
      lane,
      logger: { info: line("info"), warn: line("warn"), error: line("error") },
      signal: stopping.signal,
      emitter: new Emitter({
        appenders: rings.producers,
        maxBytes: config.ingestion.max_frame_bytes,
        override: priorityOverrides(overrides),
        clock,
      }),
      alert,
    },
    deadLetters: new DeadLetters(rings.deadLetters, lane),
    outlets: [rings.deadLetters, ...Object.values(rings.producers)],
    counters,
    state,
    stages: pipeline.latency.laneStages(lane, start.shard),
    cursor: new CursorFile(cursorFile(config.storage.path, file)),
    checkpoint: new CheckpointFile(CheckpointFile.pathIn(config.storage.path, file)),
    onlyDurable: lane === "transactional",
    skipOldest: lane === "realtime",
    watchesSla: lane === "realtime",
    ids:
      lane === "transactional" && dedup.enable && !handlers.empty
        ? createIdWindow({ windowMs: dedup.window_ms, capacity: dedup.capacity })
        : undefined,
    handlerTimeoutMs,
    concurrency: processing.concurrency,
    maxHeld: processing.max_held,
    maxHeldBytes: processing.max_held_bytes,
    maxDelayedBytes: processing.delayed.max_bytes,
    retry: lanePolicy(config, "transactional").retry,
    debug: config.handlers_debug,
    ...{ deathOf, now, clock, random: Math.random },
  });
  port.on("message", async (order: LaneOrder) => {
    const listed = order.type === "list-delayed" ? processor.delayedEvents(order.limit) : [];
    const cancelled = order.type === "cancel-delayed" ? await processor.cancelDelayed(order.eventId) : 0;
    const delayed = listed.map(({ sequence, dueMs, id, event }) => ({
      ...{ sequence, topic: event.topic, deliverAt: dueMs },
      ...(id !== undefined && { id }),
    }));
    send({ type: "answer", id: order.id, delayed, cancelled });
  });
  // A sleep in Atomics.waitAsync doesn't keep an event loop alive; an open port does.
  port.ref();
  send({
    ...{ type: "ready", slots: [rings.consumer.slot], tid: currentTid() },
    builtIns: handlers.builtIns.map(shapeOf),
  });
  const mode = () => {
    const { value } = pipeline.modes.lanes;
    if (value === "stop" && !stopping.signal.aborted) stopping.abort();
    return value;
  };
  await processor.run(mode, {
    ...{ dir: logDirectory(config.storage.path, lane), to, fresh, checkpoint, inherited: start.inherited },
    past: start.past.length > 0 ? new PastLayouts(start.past) : undefined,
  });
  send({ type: "done" });
  port.close();
});

function send(message: WorkerMessage): void {
  port.postMessage(message);
}

async function loadDefinitions(paths: readonly string[], configured: readonly BuiltIn[]): Promise<Definitions> {
  const handlers: Handler[] = [];
  const windows: Window[] = [];
  const builtIns: BuiltIn[] = [...configured];
  for (const path of paths) {
    const defined = toDefinitions(await importHandlers(path), path);
    handlers.push(...defined.handlers);
    windows.push(...defined.windows);
    builtIns.push(...defined.builtIns);
  }
  const twice = repeated(windows.map(({ definition }) => definition.name));
  if (twice !== undefined) {
    throw new EscError(
      "ESC_WINDOW_INVALID",
      `handlers: two windows are named "${twice}". Give each a name of its own.`,
    );
  }
  const twiceBuiltIn = repeated(builtIns.map(({ name }) => name));
  if (twiceBuiltIn !== undefined) {
    throw new EscError(
      "ESC_BUILTIN_INVALID",
      `Two built-ins are named "${twiceBuiltIn}". Give each a name of its own, those of the configuration included.`,
    );
  }
  return { handlers, windows, builtIns };
}

function repeated(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}

function shapeOf({ name, kind, bounds }: BuiltIn): BuiltInShape {
  return { name, kind, bounds };
}

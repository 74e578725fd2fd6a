/** Puts a lane's parts together. */
import { SlaMonitor } from "../alerts/sla-monitor.ts";
import { BuiltIns } from "../bulk/built-ins.ts";
import { TopicRoutes } from "../bulk/topic-routes.ts";
import { DelaySchedule } from "../delay/delay-schedule.ts";
import { CallContext } from "./call-context.ts";
import type { Checkpoint } from "./checkpoint-file.ts";
import { Duplicates } from "./duplicates.ts";
import { EventTaker } from "./event-taker.ts";
import type { HandledEvent } from "./handled-event.ts";
import type { LaneProcessorOptions } from "./lane-options.ts";
import { LaneProgress } from "./lane-progress.ts";
import { LaneSaver } from "./lane-saver.ts";
import { LaneWindows } from "./lane-windows.ts";
import { WorkRunner } from "./work-runner.ts";

export interface LaneParts {
  readonly progress: LaneProgress;
  readonly runner: WorkRunner;
  readonly schedule: DelaySchedule<HandledEvent>;
  readonly windows: LaneWindows;
  readonly duplicates: Duplicates | undefined;
  readonly sla: SlaMonitor | undefined;
  readonly taker: EventTaker;
  readonly saver: LaneSaver;
  /** Where the lane has batch handlers or built-ins. */
  readonly routes: TopicRoutes | undefined;
  readonly builtIns: BuiltIns | undefined;
}

export function buildLane(options: LaneProcessorOptions): LaneParts {
  const { clock, context, counters, cursor, checkpoint, deadLetters, debug, handlers, now, parker, retry, state } =
    options;
  const timeoutMs = options.handlerTimeoutMs;
  const progress = new LaneProgress(state);
  const runner = new WorkRunner({ ...options, timeoutMs, wake: () => parker.unpark() });
  const schedule = new DelaySchedule<HandledEvent>(state.delayed, options.maxDelayedBytes);
  const windows = new LaneWindows({
    ...{ windows: handlers.windows, counters, deadLetters, retry, clock },
    // For late events' handlers, which publish nothing: they are no part of an event's handling.
    context: new CallContext(context, { origin: "late", emissions: [] }),
  });
  const duplicates = options.ids && new Duplicates(options.ids);
  const sla = options.watchesSla
    ? new SlaMonitor({
        leastMs: () => handlers.leastSlaMs,
        clock,
        onBreach: () => counters.add("sla.breaches"),
        onAlert: ({ topic, slaMs, breaches, worstMs }) =>
          context.alert(
            "WARNING",
            `${topic}: ${breaches} events over ${slaMs} ms, the slowest ${Math.ceil(worstMs)} ms`,
          ),
      })
    : undefined;
  const taker = new EventTaker({
    ...{ context, handlers, counters, state, progress, runner, windows, schedule, deadLetters, duplicates, sla },
    ...{ debug, timeoutMs, clock },
  });
  const take = (): Checkpoint => ({
    cursor: progress.cursor,
    finished: progress.finishedRanges,
    delayed: schedule.pending(),
    windowsNext: progress.next,
    ...(windows.count > 0 ? windows.state() : { windows: {}, closed: [] }),
  });
  const onError = (error: Error) => context.logger.warn(`the cursor could not be written: ${error.message}`);
  const settle = () => Promise.all(options.outlets.map((outlet) => outlet.settle()));
  const version = () => progress.next + runner.ends + schedule.changes;
  const saver = new LaneSaver({ cursor, checkpoint, settle, take, version, onError, now }, false);
  const { batchHandlers, builtIns: defined } = handlers;
  const { alert, lane } = context;
  const { arena, name = lane, share } = options;
  const inBulk = batchHandlers.length + defined.length > 0;
  const routes = inBulk ? new TopicRoutes(arena, name, handlers, options.arenaBytes) : undefined;
  const builtIns =
    routes && defined.length > 0
      ? new BuiltIns({ arena, name, share, builtIns: defined, routes, alert, clock })
      : undefined;
  return { progress, runner, schedule, windows, duplicates, sla, taker, saver, routes, builtIns };
}

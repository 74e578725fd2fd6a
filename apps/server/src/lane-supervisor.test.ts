import type { LaneState } from "@esc/processors";
import { expect, onTestFinished, test, vi } from "vitest";
import { LaneSupervisor } from "./lane-supervisor.ts";
import type { WorkerThread } from "./worker-thread.ts";

const LOOK_MS = 250;
const STALL_MS = 1_000;

/** A supervisor whose clock and timer the test holds, over a thread whose heart beats when the test says so. */
async function supervised() {
  const clock = { ms: 1 };
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  vi.spyOn(performance, "now").mockImplementation(() => clock.ms);
  onTestFinished(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });
  const state = { beats: 1 };
  const kill = vi.fn();
  const never = new Promise<never>(() => undefined);
  const thread = { kill, ready: Promise.resolve({ type: "ready", slots: [0] }), done: never, exited: never };
  const supervisor = new LaneSupervisor({
    ...{ lane: "batch", stallMs: STALL_MS, state: state as unknown as LaneState },
    start: () => thread as unknown as WorkerThread,
    restart: { attempts: 1, delayMs: 1, factor: 1, maxDelayMs: 1, jitter: 0 },
    reclaim: async () => undefined,
    onDeath: () => undefined,
    onRecovered: () => undefined,
  });
  await supervisor.start();
  /** Looks once, so long after the last look. */
  const look = (afterMs = LOOK_MS) => {
    clock.ms += afterMs;
    vi.advanceTimersByTime(LOOK_MS);
  };
  return { kill, look, state };
}

test("a thread whose heart doesn't beat for longer than a handler may take is ended, once", async () => {
  const { kill, look } = await supervised();
  for (let i = 0; i < 5; i++) look();
  expect(kill).toHaveBeenCalledTimes(1);
});

test("a thread whose heart beats is left alone", async () => {
  const { kill, look, state } = await supervised();
  for (let i = 0; i < 50; i++) {
    state.beats++;
    look();
  }
  expect(kill).not.toHaveBeenCalled();
});

test("time in which the whole process was suspended is held against no thread, and that before and after it is", async () => {
  const { kill, look } = await supervised();
  look();
  look(60_000);
  expect(kill).not.toHaveBeenCalled();
  for (let i = 0; i < 3; i++) look();
  expect(kill).toHaveBeenCalledTimes(1);
});

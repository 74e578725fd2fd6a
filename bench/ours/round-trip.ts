/** A number to an echoing thread and back, over two `SpscSlots`; both threads spin. */
import { isMainThread } from "node:worker_threads";
import { Arena, type ArenaHandle } from "@esc/arena";
import { BusySpinWaitStrategy, SpscSlots, type SpscSlotsConsumer, type SpscSlotsProducer } from "@esc/queues";
import { idle, type Outcome, PinnedThreads, serveRuns } from "../peers/js/pinned-threads.ts";
import { type MeasureOptions, measureLatency, type Trips } from "../src/measure.ts";
import { CAPACITY, named, secondsSince, verify } from "./named.ts";

interface Shared {
  readonly handle: ArenaHandle;
  /** By a `BusySpinWaitStrategy`; by a loop of the user's own otherwise. */
  readonly strategy: boolean;
}

type Receive = (from: SpscSlotsConsumer) => number;

function spin(from: SpscSlotsConsumer): number {
  let rounds = 0;
  let value = from.pop();
  while (Number.isNaN(value)) {
    rounds = idle(rounds);
    value = from.pop();
  }
  return value;
}

function byStrategy(): Receive {
  const wait = new BusySpinWaitStrategy();
  return (from) => {
    wait.wait(from, Number.POSITIVE_INFINITY);
    return from.pop();
  };
}

function ask(to: SpscSlotsProducer, from: SpscSlotsConsumer, receive: Receive, count: number): Float64Array {
  const samples = new Float64Array(count);
  let wrong = 0;
  for (let i = 0; i < count; i++) {
    const sent = performance.now();
    to.push(i);
    if (receive(from) !== i) wrong++;
    samples[i] = (performance.now() - sent) * 1e6;
  }
  verify(wrong);
  return samples;
}

function echo(to: SpscSlotsProducer, from: SpscSlotsConsumer, receive: Receive, count: number): void {
  for (let i = 0; i < count; i++) to.push(receive(from));
}

if (!isMainThread) {
  serveRuns<Shared>((role, { handle, strategy }) => {
    const arena = Arena.attach(handle);
    const asks = role === "producer";
    const to = SpscSlots.attach(arena, asks ? "there" : "back").producer();
    const from = SpscSlots.attach(arena, asks ? "back" : "there").consumer();
    const receive = strategy ? byStrategy() : spin;
    return (count, startTogether): Outcome => {
      startTogether();
      const start = performance.now();
      if (asks) {
        const samples = ask(to, from, receive, count);
        return { seconds: secondsSince(start), samples };
      }
      echo(to, from, receive, count);
      return { seconds: secondsSince(start) };
    };
  });
}

const trips = (strategy: boolean, variant?: string) => async (options: MeasureOptions) => {
  const arena = Arena.create({ bytes: 2 * SpscSlots.bytesFor(CAPACITY) });
  for (const name of ["there", "back"]) SpscSlots.create(arena, name, { capacity: CAPACITY });
  const shared: Shared = { handle: arena.handle, strategy };
  await using threads = new PinnedThreads(new URL(import.meta.url), shared);
  const run = async (count: number) => (await threads.run(count))[0] as Trips;
  return await measureLatency(named("roundtrip", variant), run, options);
};

export const roundTripCases = {
  roundtrip: trips(false),
  "roundtrip/strategy": trips(true, "BusySpinWaitStrategy"),
};

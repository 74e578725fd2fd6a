import { Arena } from "@esc/arena";
import { Parker } from "@esc/queues";
import { parkerAddress } from "@esc/queues/kernel";
import { expect, onTestFinished, test } from "vitest";
import { AnswerLoop } from "./index.ts";

/** A loop over answers that the test holds: owed until it says otherwise. */
function loop(spinMs = 1) {
  const arena = Arena.create({ bytes: 1 << 16 });
  const parker = Parker.create(arena, "parker");
  const word = new Int32Array(arena.memory.buffer, parkerAddress(parker), 1);
  const state = { owes: false, ms: 0, served: 0 };
  const answers = new AnswerLoop({
    parker,
    serve: () => {
      state.served++;
      return state.owes;
    },
    spinMs,
    now: () => state.ms,
  });
  const ended = answers.run();
  onTestFinished(async () => {
    answers.close();
    await ended;
  });
  const owe = () => {
    state.owes = true;
    answers.owed();
  };
  /** Whether a waker would find somebody to wake. */
  const announced = () => Atomics.load(word, 0) !== 0;
  return { announced, answers, parker, state, ended, owe };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

test("while an answer is owed every turn of the event loop looks, and nobody has to wake anybody", async () => {
  const { announced, state, owe } = loop();
  await turn();
  expect(announced()).toBe(true);
  owe();
  expect(announced()).toBe(false);
  await turns(20);
  expect(announced()).toBe(false);
  const looked = state.served;
  expect(looked).toBeGreaterThan(15);
  state.owes = false;
  await turns(3);
  const settled = state.served;
  await turns(20);
  expect(state.served).toBe(settled);
  expect(announced()).toBe(true);
});

test("what takes longer than the time to turn is served by a wake-up, as is what was never owed", async () => {
  const { parker, state, owe } = loop();
  owe();
  await turns(3);
  state.ms = 1;
  await turns(3);
  const before = state.served;
  await turns(20);
  expect(state.served).toBe(before);
  for (let i = 1; i <= 3; i++) {
    parker.unpark();
    while (state.served < before + i) await turn();
  }
});

test("what is served in the very turn that ends the turning isn't missed", async () => {
  const { state, owe } = loop();
  owe();
  await turns(2);
  state.ms = 1;
  const before = state.served;
  while (state.served === before) await turn();
  // The look that found the time over, and one more behind the announcement of the sleep.
  expect(state.served).toBe(before + 2);
});

test("turning that was in vain eight times in a row is left, and tried again every 64th time", async () => {
  const { state, owe } = loop();
  const looks = async () => {
    const before = state.served;
    owe();
    await turns(2);
    state.ms++;
    await turns(3);
    return state.served - before;
  };
  for (let i = 0; i < 8; i++) expect(await looks()).toBeGreaterThan(2);
  for (let i = 0; i < 63; i++) expect(await looks()).toBe(0);
  expect(await looks()).toBeGreaterThan(2);
  // One that is served in time: turning pays again.
  for (let i = 0; i < 63; i++) expect(await looks()).toBe(0);
  owe();
  await turns(2);
  state.owes = false;
  await turns(2);
  expect(await looks()).toBeGreaterThan(2);
});

test("without time to turn nothing turns", async () => {
  const { state, owe } = loop(0);
  await turn();
  const before = state.served;
  owe();
  await turns(10);
  expect(state.served).toBe(before);
});

test.each([false, true])("closed, it ends; in the middle of turning: %s", async (turning) => {
  const { answers, ended, state, owe } = loop();
  if (turning) owe();
  await turn();
  answers.close();
  await ended;
  const before = state.served;
  answers.owed();
  await turns(5);
  expect(state.served - before).toBeLessThanOrEqual(2);
});

import { expect, test } from "vitest";
import { StopSignals } from "./stop-signals.ts";

function pressedAt() {
  const clock = { ms: 1_000 };
  return { clock, signals: new StopSignals(() => clock.ms) };
}

test("copies of one press, as a terminal and npm send them, are one signal", () => {
  const { clock, signals } = pressedAt();
  expect(signals.hear()).toBe("first");
  signals.answered();
  clock.ms += 49;
  expect([signals.hear(), signals.hear()]).toEqual(["copy", "copy"]);
});

test("a second press counts 50 ms after the first was answered, however many copies came before", () => {
  const { clock, signals } = pressedAt();
  signals.hear();
  signals.answered();
  clock.ms += 20;
  expect(signals.hear()).toBe("copy");
  clock.ms += 30;
  expect(signals.hear()).toBe("again");
});

test("before the first was answered nobody can know that it came: nothing counts as a second press", () => {
  const { clock, signals } = pressedAt();
  signals.hear();
  clock.ms += 10_000;
  expect(signals.hear()).toBe("copy");
  signals.answered();
  clock.ms += 49;
  expect(signals.hear()).toBe("copy");
});

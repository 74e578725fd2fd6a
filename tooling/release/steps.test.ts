import { expect, onTestFinished, test, vi } from "vitest";
import { Steps } from "./steps.ts";

/** The lines that steps write, without how long they took. */
function lines(): string[] {
  const written: string[] = [];
  const spy = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    written.push(String(text).replace(/\(\d+\.\d s/, "("));
    return true;
  });
  onTestFinished(() => spy.mockRestore());
  return written;
}

test("a step that succeeds is a line with what it returns, and nothing failed", async () => {
  const written = lines();
  const steps = new Steps(new AbortController().signal);
  expect(await steps.need("build", () => "3 files")).toBe("3 files");
  expect(written).toEqual(["ok      build (, 3 files)\n"]);
  expect(steps.summary).toMatch(/^rehearsal: 1 ok, 0 FAILED, \d+ s: this tree could be released$/);
});

test("a check that fails is told and counted, and the next step takes place", async () => {
  const written = lines();
  const steps = new Steps(new AbortController().signal);
  await steps.check("types", () => {
    throw new Error("one\ntwo");
  });
  await steps.check("files", () => undefined);
  expect(written).toEqual(["FAILED  types ()\n        one\n        two\n", "ok      files ()\n"]);
  expect(steps.summary).toMatch(/1 ok, 1 FAILED, .*must not be released$/);
});

test("a needed step that fails throws, and is told once", async () => {
  const written = lines();
  const steps = new Steps(new AbortController().signal);
  const failing = steps.need("publish", () => Promise.reject(new Error("no")));
  steps.giveUp(await failing.catch((error: unknown) => error));
  expect(written).toHaveLength(1);
  expect(steps.failed).toBe(1);
});

test("what goes wrong between steps is told and counted as well", () => {
  const written = lines();
  const steps = new Steps(new AbortController().signal);
  steps.giveUp(new Error("unforeseen"));
  expect(written).toEqual(["FAILED  go on\n        unforeseen\n"]);
  expect(steps.failed).toBe(1);
});

test("once it is stopped no further step begins, but those that clean up", async () => {
  lines();
  const stop = new AbortController();
  const steps = new Steps(stop.signal);
  await expect(
    steps.check("install", () => {
      stop.abort(new Error("stopped by SIGINT"));
      throw new Error("was stopped");
    }),
  ).rejects.toThrow("was stopped");
  await expect(steps.need("run", () => "never")).rejects.toThrow("stopped by SIGINT");
  let cleaned = false;
  await steps.cleanUp("remove", () => {
    cleaned = true;
  });
  expect(cleaned).toBe(true);
  expect(steps.summary).toMatch(/1 ok, 1 FAILED, stopped before its end, /);
});

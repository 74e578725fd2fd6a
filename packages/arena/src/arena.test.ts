import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { Arena, type ArenaError } from "./index.ts";
import { regionAddress } from "./kernel.ts";

test("regions are zeroed, aligned to 128 bytes, and don't overlap", () => {
  const arena = Arena.create({ bytes: 10_000 });
  const a = arena.allocate("a", 5);
  const b = arena.allocate("b", 300);
  const c = arena.allocate("c", 1, 4_096);
  expect(regionAddress(a) % 128).toBe(0);
  expect(regionAddress(b)).toBeGreaterThanOrEqual(regionAddress(a) + 5);
  expect(regionAddress(b) % 128).toBe(0);
  expect(regionAddress(c) % 4_096).toBe(0);
  expect(new Uint8Array(arena.memory.buffer, regionAddress(b), 300).every((byte) => byte === 0)).toBe(true);
});

test("a region is found by name in the thread that attached by handle, and both see the same bytes", async () => {
  const arena = Arena.create({ bytes: 1_000 });
  const region = arena.allocate("shared", 8);
  const index = new URL("./index.ts", import.meta.url).href;
  const worker = new Worker(
    `import { parentPort, workerData } from "node:worker_threads";
     import { Arena } from ${JSON.stringify(index)};
     const arena = Arena.attach(workerData);
     const region = arena.region("shared");
     region.bytes[0] = 42;
     arena.allocate("from the worker", 16);
     parentPort.postMessage("done");`,
    { eval: true, workerData: arena.handle, execArgv: ["--input-type=module"] },
  );
  await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  expect(region.bytes[0]).toBe(42);
  expect(arena.region("from the worker").byteLength).toBe(16);
  await worker.terminate();
});

test("an arena that is full says how much was asked for and how much is left", () => {
  const arena = Arena.create({ bytes: 100 });
  expect(() => arena.allocate("too much", 1_000_000)).toThrow(/"too much" needs 1000000 bytes; \d+ are free/);
  expect(codeOf(() => arena.allocate("too much", 1_000_000))).toBe("ESC_ARENA_EXHAUSTED");
  arena.allocate("fits", 10);
  expect(arena.regions()).toEqual([{ name: "fits", byteLength: 10 }]);
});

test.each([
  ["ESC_ARENA_SIZE", () => Arena.create({ bytes: 0 })],
  ["ESC_ARENA_SIZE", () => Arena.create({ bytes: 2 ** 33 })],
  ["ESC_ARENA_SIZE", () => Arena.create({ bytes: 1 }).allocate("a", 1, 3)],
  ["ESC_ARENA_REGION_NAME", () => Arena.create({ bytes: 1 }).allocate("", 1)],
  ["ESC_ARENA_REGION_NAME", () => Arena.create({ bytes: 1 }).allocate("x".repeat(49), 1)],
  ["ESC_ARENA_REGION_UNKNOWN", () => Arena.create({ bytes: 1 }).region("nobody")],
  ["ESC_ARENA_HANDLE", () => Arena.attach({} as never)],
  [
    "ESC_ARENA_HANDLE",
    () => Arena.attach({ memory: new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }) }),
  ],
])("a caller's mistake has the code %s", (code, mistake) => {
  expect(codeOf(mistake)).toBe(code);
});

test("a region that may be there already is found, or cut; one of another length is not the same", () => {
  const arena = Arena.create({ bytes: 1_000 });
  const first = arena.ensure("scratch", 100);
  expect(arena.ensure("scratch", 100)).toEqual(first);
  expect(codeOf(() => arena.ensure("scratch", 200))).toBe("ESC_ARENA_REGION_EXISTS");
});

test("a name is given once", () => {
  const arena = Arena.create({ bytes: 1_000 });
  arena.allocate("a", 1);
  expect(codeOf(() => arena.allocate("a", 1))).toBe("ESC_ARENA_REGION_EXISTS");
});

function codeOf(mistake: () => unknown): string | undefined {
  try {
    mistake();
  } catch (error) {
    return (error as ArenaError).code;
  }
  return undefined;
}

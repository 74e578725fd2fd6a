import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { affinityOf, currentTid, pinThread, readTopology, threads, threadsNamed } from "./index.ts";
import { Tool } from "./tool.fixture.ts";

/** A thread that says its tid, lives until it is told to go, and says its affinity in between. */
class Thread implements AsyncDisposable {
  readonly #worker: Worker;
  readonly tid: Promise<number>;

  constructor(name: string) {
    const code = `
      import { readlinkSync } from "node:fs";
      import { parentPort } from "node:worker_threads";
      parentPort.postMessage(Number(readlinkSync("/proc/thread-self").split("/").at(-1)));
      parentPort.on("message", () => parentPort.close());`;
    this.#worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { name });
    this.tid = once(this.#worker, "message").then(([tid]) => tid as number);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#worker, "exit");
    this.#worker.postMessage("go");
    await exited;
  }
}

const allowed = readTopology().allowed;
const last = allowed.at(-1) as number;

describe("a thread's id", () => {
  test("of the main thread is the process's", async () => {
    await using worker = new Thread("not-this-one");

    expect(affinityOf(await worker.tid)).toEqual(allowed);
    expect(threads().map(({ tid }) => tid)).toContain(currentTid());
    expect(currentTid()).not.toBe(await worker.tid);
  });

  test("that a worker reads of itself is that of the thread with its name, of which the kernel keeps 15 bytes", async () => {
    await using one = new Thread("lane.transactional");
    await using other = new Thread("log");

    // A thread has its name once it runs.
    const [first, second] = [await one.tid, await other.tid];

    expect(threadsNamed("lane.transactional")).toEqual([{ tid: first, name: "lane.transactio" }]);
    expect(threadsNamed("log")).toEqual([{ tid: second, name: "log" }]);
    expect(threadsNamed("nobody")).toEqual([]);
  });
});

describe("pinning by taskset", () => {
  test("moves the one thread to the one CPU, as the kernel says afterwards, and no other", async () => {
    await using pinned = new Thread("pinned");
    await using free = new Thread("free");
    const result = await pinThread(await pinned.tid, [last]);

    expect(result).toEqual({ tid: await pinned.tid, wanted: [last], affinity: [last], pinned: true });
    expect(affinityOf(await pinned.tid)).toEqual([last]);
    expect(affinityOf(await free.tid)).toEqual(allowed);
    expect(affinityOf(process.pid)).toEqual(allowed);
  });

  test("of a thread that is there already needs no tool", async () => {
    await using worker = new Thread("there");

    expect(await pinThread(await worker.tid, allowed, { taskset: "no-such-taskset" })).toMatchObject({ pinned: true });
  });

  test("can be taken back", async () => {
    await using worker = new Thread("back");
    await pinThread(await worker.tid, [last]);

    expect(await pinThread(await worker.tid, allowed)).toMatchObject({ pinned: true, affinity: allowed });
  });

  test("of many threads at once puts each where it belongs", async () => {
    await using one = new Thread("a");
    await using two = new Thread("b");
    await using three = new Thread("c");
    const all = [one, two, three];
    const cpuOf = (index: number) => [allowed[index % allowed.length] as number];
    await Promise.all(all.map(async (thread, index) => pinThread(await thread.tid, cpuOf(index))));

    for (const [index, thread] of all.entries()) expect(affinityOf(await thread.tid)).toEqual(cpuOf(index));
  });

  test("to a CPU that doesn't exist leaves the thread where it was, with taskset's reason", async () => {
    await using worker = new Thread("nowhere");
    const result = await pinThread(await worker.tid, [8_000]);

    expect(result).toMatchObject({ pinned: false, affinity: allowed });
    expect(result.problem).toMatch(/^taskset failed: .*Invalid argument/);
  });

  test("of a thread that is gone, or another process's, is not tried", async () => {
    using tool = new Tool("exit 0");
    const ended = new Thread("ended");
    const tid = await ended.tid;
    await ended[Symbol.asyncDispose]();

    expect(await pinThread(tid, [last], { taskset: tool.path })).toMatchObject({
      pinned: false,
      affinity: undefined,
      problem: `this process has no thread ${tid} (any more)`,
    });
    expect((await pinThread(1, [last])).problem).toBe("this process has no thread 1 (any more)");
  });

  test("without taskset is a problem that says what to install", async () => {
    await using worker = new Thread("tool-less");
    const result = await pinThread(await worker.tid, [8_000], { taskset: "no-such-taskset" });

    expect(result).toMatchObject({ pinned: false, affinity: allowed });
    expect(result.problem).toContain("install it (Debian, Alpine: util-linux)");
  });

  test("without the right is a problem in the tool's words", async () => {
    await using worker = new Thread("right-less");
    using tool = new Tool(`echo "taskset: failed to set pid $4's affinity: Operation not permitted" >&2; exit 1`);
    const { problem } = await pinThread(await worker.tid, [8_000], { taskset: tool.path });

    expect(problem).toMatch(/failed: taskset: failed to set pid \d+'s affinity: Operation not permitted$/);
  });

  test("that a tool claims and the kernel denies is not believed", async () => {
    await using worker = new Thread("claimed");
    using tool = new Tool("exit 0");
    const cpus = [...allowed, 8_000];
    const result = await pinThread(await worker.tid, cpus, { taskset: tool.path });

    expect(result).toMatchObject({ pinned: false, affinity: allowed });
    expect(result.problem).toContain("but the kernel says");
  });

  test("by a tool that hangs ends", async () => {
    await using worker = new Thread("hanging");
    using tool = new Tool("exec sleep 1000");
    const { problem } = await pinThread(await worker.tid, [8_000], { taskset: tool.path, timeoutMs: 100 });

    expect(problem).toMatch(/did not end within 100 ms$/);
  });
});

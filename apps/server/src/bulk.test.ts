import { rmSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HandlerFolder } from "./testing/handlers.fixture.ts";
import { connect, finish, frameWithId, plainFrame, writeAll } from "./testing/plain-frames.fixture.ts";
import { accountedFor, ServerProcess, temporaryDirectory } from "./testing/server-process.fixture.ts";

let dir: string;
let server: ServerProcess | undefined;

beforeEach(() => {
  dir = temporaryDirectory();
});

afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

async function start(folder: HandlerFolder, env: Record<string, string> = {}): Promise<ServerProcess> {
  server = await ServerProcess.start({ args: folder.args, env });
  return server;
}

async function send(to: ServerProcess, frames: readonly Buffer[]): Promise<void> {
  const socket = await connect(to.tcpPort);
  await writeAll(socket, Buffer.concat(frames));
  await finish(socket);
}

const PRIORITIES = [0, 1, 2, 3, 4];

test("a batch handler and built-ins in all lanes: each event once, the failed ones as dead letters, every sum exact", async () => {
  const source = `
    export default [
      { batch: true, topics: "order.*", maxEvents: 500, handle(batch, { lane }) {
        for (let i = 0; i < batch.size; i++) {
          const value = batch.data.getUint32(batch.offsets[i], true);
          if (value % 1000 === 7) throw Object.assign(new Error("seven"), { code: "ESC_BATCH_EVENT", index: i });
          sum += value;
          n++;
        }
        note([lane, n, sum].join(" "));
      } },
      { name: "cents", topics: "order.*", kind: "sum", field: { offset: 0, type: "u32" } },
    ];
    let [n, sum] = [0, 0];`;
  const yaml = `processing: { retry: { attempts: 1 } }
builtins:
  - { name: tenth, topics: order.>, lane: transactional, sample: 10, kind: count }
  - { name: high, topics: ">", kind: threshold, field: { offset: 0, type: u32 }, above: 9998 }
  - { name: spread, topics: order.created, kind: histogram, field: { offset: 0, type: u32 }, bounds: [100, 1000] }
`;
  const running = await start(new HandlerFolder(dir, source, yaml));
  const count = 10_000;
  const frames = Array.from({ length: count }, (_, value) => {
    const payload = Buffer.alloc(8);
    payload.writeUInt32LE(value);
    const priority = PRIORITIES[value % 5] as number;
    // Every 50th has an id: in the transactional lane it goes one by one.
    if (value % 50 === 1) return frameWithId(priority, "order.created", payload, Buffer.alloc(16, `id ${value} `));
    return plainFrame(priority, value % 100 === 99 ? "nobody.cares" : "order.created", payload);
  });
  await send(running, frames);
  const stats = await running.statsWhen((s) => accountedFor(s) === count);
  expect(stats).toMatchObject({ accepted: count, processed: count - 10, deadLettered: 10, duplicates: 0, inFlight: 0 });
  const orders = Array.from({ length: count }, (_, value) => value).filter((value) => value % 100 !== 99);
  const total = orders.reduce((sum, value) => sum + value, 0);
  const { cents, high, spread, tenth } = stats.builtIns;
  expect(cents).toMatchObject({ kind: "sum", matched: 9_900, counted: 9_900, sum: total, min: 0, max: 9_998 });
  expect(high).toMatchObject({ kind: "threshold", matched: count, over: 1 });
  expect(spread?.buckets).toEqual([{ le: 100, count: 100 }, { le: 1_000, count: 891 }, { count: 8_909 }]);
  const transactional = orders.filter((value) => [1, 2].includes(value % 5)).length;
  expect(tenth).toMatchObject({ matched: transactional, counted: Math.ceil(transactional / 10) });
  const metrics = await (await fetch(`http://127.0.0.1:${running.httpPort}/metrics`)).text();
  expect(metrics).toContain('esc_builtin_counted_total{name="cents"} 9900\n');
  expect(metrics).toContain('esc_builtin_values_bucket{name="spread",le="+Inf"} 9900\n');
  expect(await running.stop()).toBe(0);
});

test("a batch that kills its thread: the guilty event is a dead letter, the others of its batch are processed", async () => {
  const source = `export default { batch: true, topics: ">", handle(batch) {
    for (let i = 0; i < batch.size; i++) if (batch.view(i).text() === "bad") process.exit(7);
  } };`;
  const yaml = "processing: { retry: { attempts: 2 }, restart: { delay_ms: 1 } }\n";
  const running = await start(new HandlerFolder(dir, source, yaml));
  await send(
    running,
    Array.from({ length: 100 }, (_, n) => plainFrame(2, "t", n === 42 ? "bad" : String(n))),
  );
  const stats = await running.statsWhen((s) => accountedFor(s) === 100);
  expect(stats).toMatchObject({ processed: 99, deadLettered: 1, replayed: 0 });
  // Once in a batch, and once for each of its attempts alone.
  expect(stats.lanes.transactional.restarts).toBe(3);
});

test("two built-ins of one name, one in the configuration and one in a module, stop the start with what to do", async () => {
  const one = `{ name: "twice", topics: ">", kind: "count" }`;
  const folder = new HandlerFolder(dir, `export default ${one};`, `builtins: [${one}]\n`);
  await expect(start(folder)).rejects.toThrow(/Two built-ins are named .{0,2}twice/);
});

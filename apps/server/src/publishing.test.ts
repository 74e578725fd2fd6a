import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { logDirectory, recoverLog } from "@esc/storage";
import { pino } from "pino";
import { expect, test } from "vitest";
import type * as Built from "./index.ts";
import { HandlerFolder } from "./testing/handlers.fixture.ts";
import { accountedFor, temporaryDirectory } from "./testing/server-process.fixture.ts";

// Workers' entries lie beside the bundle.
const built = (await import(new URL("../dist/index.js", import.meta.url).href)) as typeof Built;
const { loadConfig, Publisher, Server } = built;

const OFF = { ESC_INGESTION_TCP_PORT: "0", ESC_INGESTION_UDP_PORT: "0", ESC_HTTP_ENABLE: "false" };

async function started(dir: string, env: Record<string, string> = {}, file?: string): Promise<Built.Server> {
  const server = new Server({
    loaded: loadConfig({ file, env: { ...OFF, ESC_STORAGE_PATH: join(dir, "data"), ...env }, cwd: dir }),
    defaultTopicsFile: join(dir, "topics.conf"),
    logger: pino({ level: "silent" }),
    onCrash: (error) => {
      throw error;
    },
  });
  await server.start();
  return server;
}

function thread(server: Built.Server, index: number, events: number): Worker {
  return new Worker(new URL("./testing/publisher-thread.fixture.ts", import.meta.url), {
    workerData: { publisher: server.publisherHandle(), index, events },
  });
}

async function until(look: () => boolean): Promise<void> {
  while (!look()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const stats = (server: Built.Server) => server.stats() as Built.Stats;

test("four threads publish 100,000 events each with ids: every one is handled once, in the order of its thread and topic", async () => {
  const dir = temporaryDirectory();
  const folder = new HandlerFolder(
    join(dir, "handlers"),
    `const last = new Map();
let seen = 0;
export default {
  topics: "thread.>",
  handle(event) {
    const bytes = event.payload;
    const n = bytes[4] | (bytes[5] << 8) | (bytes[6] << 16);
    if (n <= (last.get(event.topic) ?? 0)) note("out of order: " + event.topic + " " + n);
    last.set(event.topic, n);
    if (++seen === 400000) note("all");
  },
};
`,
  );
  const server = await started(dir, {}, folder.args[1]);
  const failures: unknown[] = [];
  const done = Array.from({ length: 4 }, async (_, index) => {
    const worker = thread(server, index, 100_000);
    worker.on("error", (error) => failures.push(error));
    await once(worker, "exit");
  });
  await Promise.all(done);
  expect(failures).toEqual([]);
  await until(() => stats(server).processed >= 400_000 || folder.notes().length > 0);
  await until(() => accountedFor(stats(server)) >= 400_000);
  expect(stats(server)).toMatchObject({
    accepted: 400_000,
    published: 400_000,
    processed: 400_000,
    duplicates: 0,
    inFlight: 0,
  });
  expect(folder.notes()).toEqual(["all"]);
  expect(await server.stop()).toEqual({});
});

test("a thread that is ended while it publishes gives its place back, and what was accepted is accounted for", async () => {
  const server = await started(temporaryDirectory(), { ESC_INGESTION_IN_PROCESS_MAX_PUBLISHERS: "1" });
  for (let round = 0; round < 5; round++) {
    const worker = thread(server, round, 2 ** 31);
    await once(worker, "message");
    const { published } = stats(server);
    await until(() => stats(server).published > published);
    await worker.terminate();
  }
  let publisher: Built.Publisher | undefined;
  await until(() => {
    try {
      publisher = Publisher.attach(server.publisherHandle());
    } catch {
      // The last thread's place is about to be cleared.
    }
    return publisher !== undefined;
  });
  expect(publisher?.publish({ topic: "after", payload: "x" })).toBe("accepted");
  publisher?.close();
  await until(() => accountedFor(stats(server)) === stats(server).accepted);
  expect(stats(server).inFlight).toBe(0);
  await server.stop();
});

test("48 publishers have a place in every lane beside two ingest threads; their events are in no latency", async () => {
  const env = { ESC_INGESTION_IN_PROCESS_MAX_PUBLISHERS: "48", ESC_INGESTION_WORKERS: "2" };
  const server = await started(temporaryDirectory(), env);
  const publishers = Array.from({ length: 48 }, () => Publisher.attach(server.publisherHandle()));
  expect(() => Publisher.attach(server.publisherHandle())).toThrow(expect.objectContaining({ code: "ESC_PUBLISHERS" }));
  for (const publisher of publishers) {
    for (const priority of ["HIGH", "MEDIUM", "BATCH"] as const) {
      expect(publisher.publish({ topic: "t", payload: "x", priority })).toBe("accepted");
    }
  }
  await until(() => stats(server).processed === 3 * 48);
  const { latency, lanes, published } = stats(server);
  expect(published).toBe(3 * 48);
  for (const lane of ["realtime", "transactional", "batch"] as const) {
    expect([lanes[lane].accepted, latency.queued[lane].count, latency.durable[lane].count]).toEqual([48, 0, 0]);
  }
  expect(latency.unmeasured).toBe(0);
  for (const publisher of publishers) publisher.close();
  await server.stop();
});

test("topics.conf and full lanes hold for publishers as for the wire, and a stopping server takes nothing", async () => {
  const dir = temporaryDirectory();
  writeFileSync(join(dir, "topics.conf"), "alerts.>:CRITICAL\n");
  const server = await started(dir);
  using publisher = Publisher.attach(server.publisherHandle());
  expect(publisher.publish({ topic: "alerts.fire", payload: "x", priority: "BATCH" })).toBe("accepted");
  expect(publisher.publish({ topic: "order.created", payload: "x" })).toBe("accepted");
  await publisher.untilDurable(publisher.ticket());
  await until(() => stats(server).processed === 2);
  expect(stats(server).lanes.realtime.processed).toBe(1);
  expect(stats(server).lanes.transactional.processed).toBe(1);
  const stopped = server.stop();
  expect(publisher.publish({ topic: "order.created", payload: "x" })).toBe("closed");
  expect(() => server.publisherHandle()).toThrow(expect.objectContaining({ code: "ESC_SERVER_NOT_READY" }));
  expect(await stopped).toEqual({});
  expect(recoverLog(logDirectory(join(dir, "data"), "transactional")).nextSequence).toBe(2);
});

test("what untilDurable said is in the log after kill -9", async () => {
  const dir = temporaryDirectory();
  const program = fileURLToPath(new URL("./testing/publishing-program.fixture.ts", import.meta.url));
  const child = spawn(process.execPath, [program, dir], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (chunk) => {
    said += chunk;
  });
  const [, signal] = await once(child, "close");
  expect([said, signal]).toEqual(["10000 durable\n", "SIGKILL"]);
  expect(recoverLog(logDirectory(dir, "transactional")).nextSequence).toBeGreaterThan(10_000);
});

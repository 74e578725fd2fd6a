// A program with the server inside, whose other thread publishes.
//   node examples/publisher/main.js [data directory]
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { loadConfig, Server } from "@esc/server";
import { pino } from "pino";

const dir = process.argv[2] ?? mkdtempSync(join(tmpdir(), "esc-publisher-"));
const env = { ESC_INGESTION_TCP_PORT: "0", ESC_INGESTION_UDP_PORT: "0", ESC_HTTP_PORT: "0", ESC_STORAGE_PATH: dir };
const server = new Server({
  loaded: loadConfig({ env, cwd: process.cwd() }),
  defaultTopicsFile: "config/topics.conf",
  logger: pino({ level: "warn" }),
  onCrash: () => process.exit(1),
});
await server.start();

const worker = new Worker(new URL("./orders.js", import.meta.url), {
  workerData: { publisher: server.publisherHandle() },
});
await new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject));
await server.stop();
const { published, processed } = server.stats();
console.log(`${published} published, ${processed} processed`);

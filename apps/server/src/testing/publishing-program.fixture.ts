/** A program that embeds the server, publishes until it has heard that so many are durable, and is killed then. */
import { BackoffWaitStrategy } from "@esc/queues";
import { pino } from "pino";
import type * as Built from "../index.ts";

const dataDir = process.argv[2] as string;
const { loadConfig, Publisher, Server } = (await import(
  new URL("../../dist/index.js", import.meta.url).href
)) as typeof Built;
const env = {
  ESC_INGESTION_TCP_PORT: "0",
  ESC_INGESTION_UDP_PORT: "0",
  ESC_HTTP_ENABLE: "false",
  ESC_STORAGE_PATH: dataDir,
};
const server = new Server({
  loaded: loadConfig({ env, cwd: dataDir }),
  defaultTopicsFile: "topics.conf",
  logger: pino({ level: "silent" }),
  onCrash: () => process.exit(1),
});
await server.start();
const publisher = Publisher.attach(server.publisherHandle());
const waiting = new BackoffWaitStrategy();
const payload = Buffer.alloc(4);
for (let n = 1; n <= 20_000; n++) {
  payload.writeUInt32LE(n);
  while (publisher.publish({ topic: "kill", payload }) === "full") publisher.waitForSpace(waiting);
  if (n === 10_000) {
    await publisher.untilDurable(publisher.ticket());
    process.stdout.write("10000 durable\n");
  }
}
process.kill(process.pid, "SIGKILL");

/** An ingest worker, of one or several: sockets in, records into the lanes, answers out. */
import { parentPort, workerData } from "node:worker_threads";
import { DATAGRAM_PRODUCER, WAITING_PRODUCER } from "@esc/dispatcher";
import { Source } from "@esc/events";
import { AnswerLoop, FrameScanner, InputArea, LaneGate, TcpSource, UdpSource } from "@esc/ingest";
import { currentTid } from "@esc/numa";
import { bindFailed } from "../ingest-threads.ts";
import { partialFrameShare } from "../ingest-workers.ts";
import { Pipeline, perLane } from "../pipeline.ts";
import type { IngestOrder, IngestStart, WorkerMessage } from "./messages.ts";
import { startWorker } from "./start-failure.ts";

if (parentPort === null) throw new Error("This is a worker's entry; start the server with `esc start`.");
const port = parentPort;
const { handle, config, worker, workers, shared } = workerData as IngestStart;
const QUIET_MS = 5;

await startWorker(port, async () => {
  const pipeline = Pipeline.attach(handle);
  const { arena, topics, connections } = pipeline;
  const counters = pipeline.ingest[worker] as (typeof pipeline.ingest)[number];
  const parker = pipeline.parker(`ingest.${worker}`);
  const maxFrameBytes = config.ingestion.max_frame_bytes;
  const rings = perLane((lane) => pipeline.lane(lane));
  const lanes = perLane((lane) => ({ ring: rings[lane], producer: rings[lane].addProducer() }));
  const gate = new LaneGate(rings, parker);
  const input = new InputArea(arena, `ingest.${worker}.input`, { maxFrameBytes });
  const latency = pipeline.latency.scanner(worker);
  const scanner = (name: string, source: Source, overflow: typeof WAITING_PRODUCER) =>
    new FrameScanner(arena, `ingest.${worker}.${name}`, {
      ...{ source, maxFrameBytes, topics, lanes, overflow, counters, latency },
    });
  const reusePort = shared !== undefined;
  const tcpConfig = {
    ...config.ingestion.tcp,
    ...(shared && { port: shared.tcp }),
    partialFrameBytes: partialFrameShare(config, workers),
    reusePort,
  };
  const udpConfig = { ...config.ingestion.udp, ...(shared && { port: shared.udp }), reusePort };
  const wake = (): boolean => tcp?.wake(gate.durable(0), gate.durable(1), gate.durable(2)) ?? false;
  const now = () => performance.now();
  const answers = new AnswerLoop({ parker, serve: wake, spinMs: config.spin_us / 1_000, now });
  const tcp: TcpSource | undefined = tcpConfig.enable
    ? new TcpSource(tcpConfig, {
        scanner: scanner("tcp", Source.tcp, WAITING_PRODUCER),
        input,
        gate,
        counters,
        count: connections,
        onDescriptors: tellDescriptors,
        onOwed: () => answers.owed(),
      })
    : undefined;
  const udp = udpConfig.enable
    ? new UdpSource(
        { ...udpConfig, bufferBytes: udpConfig.bufferSize },
        { scanner: scanner("udp", Source.udp, DATAGRAM_PRODUCER), input, counters },
      )
    : undefined;
  const ports = {
    ...(tcp && { tcp: await bound("ingestion.tcp.port", tcpConfig, () => tcp.listen()) }),
    ...(udp && { udp: await bound("ingestion.udp.port", udpConfig, () => udp.listen()) }),
  };
  let closed = false;
  let stopping = false;
  void answers.run();

  const untilQuiet = () => {
    wake();
    if (tcp === undefined || tcp.settled) send({ type: "quiet" });
    else if (!closed) setTimeout(untilQuiet, QUIET_MS);
  };
  port.on("message", async (order: IngestOrder) => {
    if (order.type === "stop" && !stopping) {
      stopping = true;
      tcp?.stopReading();
      await udp?.close();
      untilQuiet();
    } else if (order.type === "close") {
      wake();
      await tcp?.close(order.graceMs);
      closed = true;
      answers.close();
      send({ type: "done" });
      port.close();
    }
  });
  send({ type: "ready", ports, tid: currentTid() });
});

function send(message: WorkerMessage): void {
  port.postMessage(message);
}

function tellDescriptors(exhausted: boolean, limit: number): void {
  const message = exhausted
    ? `connections are refused: of ${limit} file descriptors the last ones are kept for the log. Raise the limit (ulimit -n), or lower ingestion.tcp.maxConnections`
    : "connections are taken again: there are file descriptors";
  send({ type: "line", level: exhausted ? "warn" : "info", message });
}

/** Binds; a failure names the key to change. */
async function bound(key: string, at: { host: string; port: number }, listen: () => Promise<number>): Promise<number> {
  try {
    return await listen();
  } catch (error) {
    throw bindFailed(key, at, error);
  }
}

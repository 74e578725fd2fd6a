/** The ingest worker: sockets in, records into the lanes, answers out. */
import { parentPort, workerData } from "node:worker_threads";
import { DATAGRAM_PRODUCER, WAITING_PRODUCER } from "@esc/dispatcher";
import { EscError, Source } from "@esc/events";
import { FrameScanner, InputArea, LaneGate, TcpSource, UdpSource } from "@esc/ingest";
import { currentTid } from "@esc/numa";
import { hostPort } from "../host-port.ts";
import { Pipeline, perLane } from "../pipeline.ts";
import type { IngestOrder, WorkerMessage, WorkerStart } from "./messages.ts";
import { startWorker } from "./start-failure.ts";

if (parentPort === null) throw new Error("This is a worker's entry; start the server with `esc start`.");
const port = parentPort;
const { handle, config } = workerData as WorkerStart;
const WAKE_MS = 1_000;
const QUIET_MS = 5;

await startWorker(port, async () => {
  const pipeline = Pipeline.attach(handle);
  const { arena, topics, ingest: counters } = pipeline;
  const parker = pipeline.parker("ingest");
  const maxFrameBytes = config.ingestion.max_frame_bytes;
  const rings = perLane((lane) => pipeline.lane(lane));
  const lanes = perLane((lane) => ({ ring: rings[lane], producer: rings[lane].addProducer() }));
  const gate = new LaneGate(rings, parker);
  const input = new InputArea(arena, "ingest.input", { maxFrameBytes });
  const scanner = (name: string, source: Source, overflow: typeof WAITING_PRODUCER) =>
    new FrameScanner(arena, `ingest.${name}`, { source, maxFrameBytes, topics, lanes, overflow, counters });
  const { tcp: tcpConfig, udp: udpConfig } = config.ingestion;
  const tcp = tcpConfig.enable
    ? new TcpSource(tcpConfig, {
        scanner: scanner("tcp", Source.tcp, WAITING_PRODUCER),
        input,
        gate,
        counters,
        onDescriptors: tellDescriptors,
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

  const wake = () => tcp?.wake(gate.durable(0), gate.durable(1), gate.durable(2));
  void (async () => {
    while (!closed) {
      parker.prepare();
      wake();
      await parker.parkAsync(WAKE_MS);
    }
  })();

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
      parker.unpark();
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
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "EADDRINUSE" ? "is in use by another process" : `can't be bound (${message})`;
    throw new EscError(
      "ESC_BIND_FAILED",
      `${hostPort(at.host, at.port)} ${why}. Set ${key} to another port, or to 0 for any.`,
      { cause: error },
    );
  }
}

/** The UDP source: a datagram holds one or more whole frames. Nobody is answered; what is refused or dropped is counted. */
import dgram from "node:dgram";
import type { CounterBlock } from "@esc/metrics";
import { type FrameScanner, type InputArea, ScanStatus } from "./frame-scanner.ts";
import { refusedCounter } from "./ingest-counters.ts";

export interface UdpSourceOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Bytes that the system may hold for us; it may give less. */
  readonly bufferBytes: number;
  /** Several sockets, each of a thread of its own, share the port: the system gives each sender to one of them. */
  readonly reusePort?: boolean;
}

/**
 * How long a datagram waits for its turn in a lane, where another thread's claim is being filled. That takes microseconds,
 * or as long as that thread isn't given a core. What comes meanwhile waits in the system's buffer.
 */
const TURN_MS = 100;
const TURN_LOOK_MS = 0.05;

export interface UdpSourceParts {
  readonly scanner: FrameScanner;
  readonly input: InputArea;
  readonly counters: CounterBlock<string>;
}

export class UdpSource {
  readonly #options: UdpSourceOptions;
  readonly #parts: UdpSourceParts;
  readonly #socket: dgram.Socket;
  /** Nobody wakes it: a place to sleep between two looks. */
  readonly #pause = new Int32Array(new SharedArrayBuffer(4));

  constructor(options: UdpSourceOptions, parts: UdpSourceParts) {
    this.#options = options;
    this.#parts = parts;
    this.#socket = dgram.createSocket({
      type: options.host.includes(":") ? "udp6" : "udp4",
      recvBufferSize: options.bufferBytes,
      ...(options.reusePort && { reusePort: true }),
    });
    this.#socket.on("message", (datagram) => this.#take(datagram));
  }

  /** Binds; resolves with the port. Rejects with the system's error. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.once("error", reject);
      this.#socket.bind({ address: this.#options.host, port: this.#options.port }, () => {
        this.#socket.off("error", reject);
        // An ICMP error of somebody's, at most: the socket goes on.
        this.#socket.on("error", () => undefined);
        resolve(this.#socket.address().port);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }

  #take(datagram: Buffer): void {
    const { counters, input, scanner } = this.#parts;
    counters.add("datagrams");
    // It ends before its frame's length, and has nothing in it for the scan to refuse.
    if (datagram.length === 0) counters.add(refusedCounter("truncated"));
    input.readView.set(datagram);
    let start = input.readStart;
    const end = start + datagram.length;
    let givesUp = 0;
    for (;;) {
      const status = scanner.scan(start, end, true);
      start += scanner.taken;
      if (status === ScanStatus.again) continue;
      if (status !== ScanStatus.blocked) break;
      const now = performance.now();
      if (givesUp === 0) givesUp = now + TURN_MS;
      if (now < givesUp) Atomics.wait(this.#pause, 0, 0, TURN_LOOK_MS);
      else scanner.patient = false;
    }
    scanner.patient = true;
  }
}

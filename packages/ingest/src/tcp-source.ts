/** The TCP source: accepts connections and reads them straight into the arena. */
import net from "node:net";
import type { CounterBlock } from "@esc/metrics";
import { CarryBuffers } from "./carry-buffers.ts";
import { Connection, type ConnectionSocket } from "./connection.ts";
import { DescriptorRoom } from "./descriptor-room.ts";
import type { FrameScanner, InputArea } from "./frame-scanner.ts";
import type { LaneGate } from "./lane-gate.ts";
import { PartialFrames } from "./partial-frames.ts";

export interface TcpSourceOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Connections at once; one more is closed at once and counted, as is one that takes the last file descriptors. */
  readonly maxConnections: number;
  /** A frame must end within this, from its first byte on, or its connection is ended; 0 waits for ever. */
  readonly frameTimeoutMs: number;
  /** A connection without a byte for this long is ended; 0 waits for ever. */
  readonly idleTimeoutMs: number;
  /** Answers that may wait for a client that doesn't read, in bytes. */
  readonly ackBufferBytes: number;
  /**
   * Unfinished frames of all connections together, in bytes; at least the longest frame. Beyond, the connection whose frame
   * began first is ended.
   */
  readonly partialFrameBytes: number;
  /** Several sources, each of a thread of its own, share the port: the system gives each connection to one of them. */
  readonly reusePort?: boolean;
}

/** Counts connections that several sources have together. */
export interface ConnectionCount {
  /** One more, unless there are `most` already. */
  take(most: number): boolean;
  /** One less. */
  give(): void;
}

export interface TcpSourceParts {
  readonly scanner: FrameScanner;
  readonly input: InputArea;
  readonly gate: LaneGate;
  readonly counters: CounterBlock<string>;
  /** Told whenever a read leaves an acknowledgement owed. */
  readonly onOwed?: () => void;
  /** What other sources count into as well: then `maxConnections` is for all of them. This source's own unless given. */
  readonly count?: ConnectionCount;
  /** Told when connections begin to be refused for want of file descriptors, and when that is over. */
  readonly onDescriptors?: (exhausted: boolean, limit: number) => void;
}

/** The part of a socket's handle that lets it be taken over with a buffer of ours. Not documented by Node. */
interface HandleOwner {
  /** Its descriptor is -1 where the system has none. */
  _handle: { readonly fd?: number } | null;
}

export class TcpSource {
  readonly #options: TcpSourceOptions;
  readonly #parts: TcpSourceParts;
  readonly #server: net.Server;
  readonly #partials: PartialFrames;
  readonly #carries = new CarryBuffers();
  readonly #descriptors = new DescriptorRoom();
  readonly #count: ConnectionCount;
  #stallTimer: NodeJS.Timeout | undefined;
  readonly #connections = new Map<Connection, net.Socket>();
  /** Connections whose client is gone while they waited for a lane; bounded by `maxConnections` as the others are. */
  readonly #vanished = new Set<Connection>();
  #closing = false;

  constructor(options: TcpSourceOptions, parts: TcpSourceParts) {
    this.#options = options;
    this.#parts = parts;
    this.#count = parts.count ?? new OwnCount();
    this.#partials = new PartialFrames(options.partialFrameBytes, () => parts.counters.add("connections.shed"));
    this.#server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true, keepAlive: true });
    this.#server.on("connection", (socket) => this.#accept(socket));
  }

  /** Binds; resolves with the port. Rejects with the system's error (`EADDRINUSE`, `EACCES`, …). */
  listen(): Promise<number> {
    const { host, port, reusePort = false } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port, backlog: 1_024, ...(reusePort && { reusePort }) }, () => {
        this.#server.off("error", reject);
        // A connection that the system could not hand over: refused, and the next may come.
        this.#server.on("error", () => this.#parts.counters.add("connections.refused"));
        this.#watchStalled();
        resolve((this.#server.address() as net.AddressInfo).port);
      });
    });
  }

  /** Open connections. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Lanes may have space, or be durable further: serves those that waited.
   * @returns whether acknowledgements are owed still.
   */
  wake(realtime: number, transactional: number, batch: number): boolean {
    let owes = false;
    for (const connection of this.#connections.keys()) {
      if (connection.blocked) connection.retry();
      if (connection.owesAck) connection.settle(realtime, transactional, batch);
      if (connection.owesAck) owes = true;
    }
    for (const connection of this.#vanished) {
      if (connection.blocked) continue;
      this.#vanished.delete(connection);
      this.#drop(connection);
    }
    return owes;
  }

  /** Accepts and reads no more. What was read goes into the lanes, what is owed is still answered by {@link wake}. */
  stopReading(): void {
    this.#closing = true;
    // What is not read any more can't end in time.
    clearInterval(this.#stallTimer);
    this.#server.close();
    for (const socket of this.#connections.values()) socket.pause();
  }

  /** Whether no connection waits for a lane or is owed an acknowledgement. */
  get settled(): boolean {
    for (const [connection, socket] of this.#connections) {
      if (connection.blocked || (connection.owesAck && !socket.destroyed)) return false;
    }
    return true;
  }

  /** Ends every connection; resolves when all are closed, at the latest after `graceMs`, when they are cut. */
  async close(graceMs: number): Promise<void> {
    this.stopReading();
    const sockets = [...this.#connections.values()];
    const closed = Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    for (const socket of sockets) {
      socket.end();
      // Reading on is how the client's end is seen; what comes is thrown away (#read looks at #closing).
      socket.resume();
    }
    const timer = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, graceMs);
    await closed;
    clearTimeout(timer);
  }

  #accept(accepted: net.Socket): void {
    const { counters, input, scanner, gate } = this.#parts;
    // Counted here and not by the server's `maxConnections`: what is taken over below never closes in its eyes.
    if (this.#closing || !this.#hasDescriptors(accepted) || !this.#count.take(this.#options.maxConnections)) {
      counters.add("connections.refused");
      accepted.destroy();
      return;
    }
    // Node reads accepted sockets into a buffer of its own, a new one every 64 KiB. A socket built around the same
    // handle with `onread` reads straight into the arena: no copy, and nothing for the collector.
    const owner = accepted as unknown as HandleOwner;
    const handle = owner._handle;
    owner._handle = null;
    let connection: Connection | undefined;
    const socket = new net.Socket({
      handle,
      allowHalfOpen: true,
      onread: {
        buffer: input.readView,
        callback: (length: number): boolean => this.#read(connection, length),
      },
    } as unknown as net.SocketConstructorOpts);
    connection = new Connection({
      socket: new SocketFace(socket),
      scanner,
      input,
      gate,
      answerBytes: this.#options.ackBufferBytes,
      partials: this.#partials,
      carries: this.#carries,
      now: () => performance.now(),
    });
    this.#connections.set(connection, socket);
    counters.add("connections.opened");
    this.#watch(connection, socket);
    socket.resume();
  }

  #hasDescriptors(accepted: net.Socket): boolean {
    const descriptors = this.#descriptors;
    const before = descriptors.exhausted;
    const has = descriptors.take((accepted as unknown as HandleOwner)._handle?.fd ?? -1);
    if (descriptors.exhausted !== before) this.#parts.onDescriptors?.(descriptors.exhausted, descriptors.limit);
    return has;
  }

  #read(connection: Connection | undefined, length: number): boolean {
    if (connection === undefined || this.#closing) return true;
    const flowing = connection.read(length);
    if (connection.owesAck) this.#parts.onOwed?.();
    return flowing;
  }

  /** Looks now and then, not at silences: who sends a byte every second is never silent and never ends its frame. */
  #watchStalled(): void {
    const { frameTimeoutMs } = this.#options;
    if (frameTimeoutMs === 0) return;
    const lookMs = Math.min(MAX_STALL_LOOK_MS, Math.ceil(frameTimeoutMs / 4));
    this.#stallTimer = setInterval(() => {
      for (const connection of this.#connections.keys()) {
        if (connection.frameAgeMs < frameTimeoutMs) continue;
        this.#parts.counters.add("connections.stalled");
        connection.shed();
      }
    }, lookMs);
    this.#stallTimer.unref();
  }

  #watch(connection: Connection, socket: net.Socket): void {
    const { idleTimeoutMs } = this.#options;
    const { counters } = this.#parts;
    socket.setTimeout(idleTimeoutMs);
    socket.on("timeout", () => {
      // The timer fires once per silence. A client that waits for a lane or an acknowledgement of ours isn't idle.
      if (!connection.settled) {
        socket.setTimeout(idleTimeoutMs);
        return;
      }
      connection.end();
      socket.destroySoon();
    });
    socket.on("end", () => connection.end());
    socket.on("drain", () => connection.drained());
    // A reset is how clients vanish; 'close' follows and does what there is to do.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      connection.end();
      counters.add("connections.closed");
      this.#forget(connection);
    });
  }

  /** A client that vanished with frames read but not yet in a lane: they were sent, so they still go in. */
  #forget(connection: Connection): void {
    if (!connection.blocked) this.#drop(connection);
    else this.#vanished.add(connection);
  }

  #drop(connection: Connection): void {
    if (this.#connections.delete(connection)) this.#count.give();
  }
}

/** The count of a source that is alone. */
class OwnCount implements ConnectionCount {
  #open = 0;

  take(most: number): boolean {
    if (this.#open >= most) return false;
    this.#open++;
    return true;
  }

  give(): void {
    this.#open--;
  }
}

/** How long a client that was cut off may go on sending before its connection is reset. */
const LINGER_MS = 2_000;
/** Between two looks for frames that are over their time, at most. */
const MAX_STALL_LOOK_MS = 1_000;

/** A socket as a connection sees it. */
class SocketFace implements ConnectionSocket {
  readonly #socket: net.Socket;

  constructor(socket: net.Socket) {
    this.#socket = socket;
  }

  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.destroyed || this.#socket.writableEnded ? true : this.#socket.write(bytes);
  }

  end(): void {
    if (!this.#socket.destroyed) this.#socket.end();
  }

  cutOff(): void {
    if (this.#socket.destroyed) return;
    this.#socket.end();
    // Closing with bytes unread resets the connection, and the reset may overtake the refusal: read on for a while.
    this.#socket.resume();
    const timer = setTimeout(() => this.#socket.destroy(), LINGER_MS);
    this.#socket.once("close", () => clearTimeout(timer));
  }

  reset(): void {
    if (!this.#socket.destroyed) this.#socket.resetAndDestroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#socket.destroyed) this.#socket.resume();
  }
}

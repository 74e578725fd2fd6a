/** Sends frames over TCP or UDP and counts what comes of them. */
import dgram from "node:dgram";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { AckDecoder, AnswerKind, EscError, refusalName } from "@esc/events";

/** Where frames go. `write` resolves when more may follow. */
export interface Sender extends AsyncDisposable {
  write(bytes: Uint8Array, frames: number): Promise<void>;
  /** No more frames follow; resolves when all is on its way and, with acknowledgements, all are answered. */
  finish(): Promise<void>;
  /** Frames acknowledged or refused so far, by name of the refusal. */
  readonly answered: { readonly acked: number; readonly refused: ReadonlyMap<string, number> };
}

export interface TcpSenderOptions {
  readonly host: string;
  readonly port: number;
  readonly ack: boolean;
  /** Frames that may be unanswered at once. */
  readonly window: number;
  /** Without an answer for this long, waiting ends. */
  readonly timeoutMs: number;
}

export class TcpSender implements Sender {
  readonly #socket: net.Socket;
  readonly #options: TcpSenderOptions;
  readonly #decoder = new AckDecoder();
  readonly #refused = new Map<string, number>();
  #sent = 0;
  #settled = 0;
  #refusals = 0;
  #failure: Error | undefined;
  #closed = false;
  #progress = Promise.withResolvers<void>();

  private constructor(socket: net.Socket, options: TcpSenderOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on("data", (chunk) => this.#hear(chunk as Buffer));
    socket.on("error", (error) =>
      this.#fail(new EscError("ESC_CONNECTION_LOST", `The connection was lost: ${error.message}.`, { cause: error })),
    );
    socket.on("close", () => {
      this.#closed = true;
      this.#moved();
    });
    socket.on("drain", () => this.#moved());
  }

  /** @throws EscError `ESC_CONNECT_FAILED` when nobody listens there. */
  static connect(options: TcpSenderOptions): Promise<TcpSender> {
    const { host, port } = options;
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host, port, noDelay: true });
      socket.once("error", (cause) =>
        reject(
          new EscError(
            "ESC_CONNECT_FAILED",
            `No connection to ${host}:${port} (${cause.message}). Is the server running?`,
            { cause },
          ),
        ),
      );
      socket.once("connect", () => {
        socket.removeAllListeners("error");
        resolve(new TcpSender(socket, options));
      });
    });
  }

  get answered() {
    return { acked: Math.max(0, this.#settled - this.#refusals), refused: this.#refused };
  }

  async write(bytes: Uint8Array, frames: number): Promise<void> {
    while (
      this.#options.ack &&
      this.#sent > this.#settled &&
      this.#sent + frames - this.#settled > this.#options.window
    ) {
      await this.#waitForProgress("no acknowledgement came");
    }
    this.#sent += frames;
    if (!this.#socket.write(bytes))
      await this.#waitForProgress("the server reads no more", () => this.#socket.writableNeedDrain);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async finish(): Promise<void> {
    if (this.#options.ack) {
      while (this.#settled < this.#sent) await this.#waitForProgress("no acknowledgement came");
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.end(resolve);
    await promise;
    // The server closes its half once it has read all: then nothing can be lost with this process.
    while (!this.#closed) await this.#waitForProgress("the server did not close", () => !this.#closed);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }

  async #waitForProgress(what: string, still: () => boolean = () => true): Promise<void> {
    const { timeoutMs } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(resolve, timeoutMs, "late");
    });
    const outcome = await Promise.race([this.#progress.promise, late]);
    clearTimeout(timer);
    if (this.#failure !== undefined) throw this.#failure;
    if (outcome === "late" && still()) throw new EscError("ESC_NO_ANSWER", `After ${timeoutMs} ms ${what}.`);
    if (this.#closed && this.#options.ack && this.#settled < this.#sent) {
      throw new EscError(
        "ESC_CONNECTION_LOST",
        `The server closed the connection with ${this.#sent - this.#settled} frames unanswered.`,
      );
    }
  }

  #hear(chunk: Buffer): void {
    try {
      for (const { kind, n, code } of this.#decoder.push(chunk)) {
        if (kind === AnswerKind.durable) {
          this.#settled = Math.max(this.#settled, n);
        } else if (kind === AnswerKind.refused) {
          const name = refusalName(code) ?? String(code);
          this.#refused.set(name, (this.#refused.get(name) ?? 0) + 1);
          this.#refusals++;
        }
      }
    } catch (error) {
      this.#fail(error as Error);
      this.#socket.destroy();
    }
    this.#moved();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#moved();
  }

  #moved(): void {
    this.#progress.resolve();
    this.#progress = Promise.withResolvers<void>();
  }
}

/** Bytes of a datagram that loopback carries whole and that leave room for headers. */
const MAX_DATAGRAM_BYTES = 65_000;
/** Datagrams in the kernel's hands at once. */
const MAX_IN_FLIGHT = 64;

/** Each write goes out as one datagram; nobody answers. */
export class UdpSender implements Sender {
  readonly #socket: dgram.Socket;
  #inFlight = 0;
  #failure: Error | undefined;

  private constructor(socket: dgram.Socket) {
    this.#socket = socket;
    socket.on("error", (error) => {
      this.#failure ??= error;
    });
  }

  static connect(host: string, port: number): Promise<UdpSender> {
    return new Promise((resolve, reject) => {
      const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
      socket.once("error", reject);
      socket.connect(port, host, () => {
        socket.off("error", reject);
        resolve(new UdpSender(socket));
      });
    });
  }

  get answered() {
    return { acked: 0, refused: new Map<string, number>() };
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length > MAX_DATAGRAM_BYTES) {
      throw new EscError(
        "ESC_DATAGRAM_TOO_LARGE",
        `A datagram takes ${MAX_DATAGRAM_BYTES} bytes, these frames have ${bytes.length}: use TCP or a smaller --size.`,
      );
    }
    this.#inFlight++;
    this.#socket.send(bytes, (error) => {
      this.#inFlight--;
      if (error)
        this.#failure ??= new EscError("ESC_SEND_FAILED", `A datagram could not be sent: ${error.message}.`, {
          cause: error,
        });
    });
    while (this.#inFlight >= MAX_IN_FLIGHT) await sleep(0);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async finish(): Promise<void> {
    while (this.#inFlight > 0) await sleep(1);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
  }
}

/** Frames over a TCP connection, with the server's answers counted. */
import net from "node:net";
import { AckDecoder, AnswerKind, EscError, refusalName } from "@esc/events";
import { hostPort } from "../host-port.ts";
import type { SendCounts, Sender } from "./sender.ts";

/** What servers take that aren't configured otherwise, in bytes behind a frame's length. */
const DEFAULT_FRAME_LIMIT = 1_048_576;

export interface TcpSenderOptions {
  readonly host: string;
  readonly port: number;
  readonly ack: boolean;
  /** Frames that may be unanswered at once. */
  readonly window: number;
  /** Without any progress for this long, waiting ends. */
  readonly timeoutMs: number;
  /** Called when frames are as durable as configured: those from number `first` to `last`, counted from 1. */
  readonly onAcknowledged?: (first: number, last: number) => void;
}

export class TcpSender implements Sender {
  readonly #socket: net.Socket;
  readonly #options: TcpSenderOptions;
  readonly #decoder = new AckDecoder();
  readonly #refused = new Map<string, number>();
  /** Refused frames that no acknowledgement has passed yet, ascending. */
  #refusedAhead: number[] = [];
  #refusals = 0;
  /** Every frame up to this one is durable or refused. */
  #settled = 0;
  #sent = 0;
  #bytes = 0;
  /** Bytes of the longest frame, as far as a batch tells it: what its frames have on average. */
  #longest = 0;
  #failure: Error | undefined;
  #closed = false;
  #interrupted = false;
  #progress = Promise.withResolvers<void>();

  private constructor(socket: net.Socket, options: TcpSenderOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on("data", (chunk: Buffer) => this.#hear(chunk));
    socket.on("error", (cause) =>
      this.#fail(
        new EscError("ESC_CONNECTION_LOST", `The connection was lost: ${cause.message}.${this.#hint}`, { cause }),
      ),
    );
    socket.on("close", () => {
      this.#closed = true;
      this.#moved();
    });
    socket.on("drain", () => this.#moved());
    socket.on("finish", () => this.#moved());
  }

  /** @throws EscError `ESC_CONNECT_FAILED` when nobody answers there. */
  static connect(options: TcpSenderOptions): Promise<TcpSender> {
    const { host, port, timeoutMs } = options;
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host, port, noDelay: true });
      const fail = (cause: Error) => {
        clearTimeout(timer);
        socket.destroy();
        const message = `No connection to ${hostPort(host, port)} (${cause.message}). Is the server running?`;
        reject(new EscError("ESC_CONNECT_FAILED", message, { cause }));
      };
      const timer = setTimeout(() => fail(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      socket.once("error", fail);
      socket.once("connect", () => {
        clearTimeout(timer);
        socket.off("error", fail);
        resolve(new TcpSender(socket, options));
      });
    });
  }

  get counts(): SendCounts {
    const passed = this.#refusals - this.#refusedAhead.length;
    return { sent: this.#sent, bytes: this.#bytes, acked: this.#settled - passed, refused: this.#refused };
  }

  async write(bytes: Uint8Array, frames: number): Promise<void> {
    const { ack, window, timeoutMs } = this.#options;
    // A batch larger than the window goes out once nothing is unanswered.
    if (ack) {
      const room = () => this.#unanswered === 0 || this.#unanswered + frames <= window;
      await this.#until(room, "no acknowledgement came", timeoutMs, true);
    }
    if (this.#interrupted) throw interrupted();
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closed || !this.#socket.writable) throw this.#lost();
    this.#sent += frames;
    this.#bytes += bytes.length;
    this.#longest = Math.max(this.#longest, bytes.length / frames);
    if (this.#socket.write(bytes)) return;
    await this.#until(() => !this.#socket.writableNeedDrain, "the server reads no more", timeoutMs, true);
  }

  async finish(timeoutMs: number): Promise<void> {
    if (this.#options.ack) {
      // Answers say more than a closed connection does: nothing else is waited for.
      await this.#until(() => this.#unanswered === 0, "no acknowledgement came", timeoutMs);
      return;
    }
    this.#socket.end();
    await this.#until(() => this.#socket.writableFinished, "the server reads no more", timeoutMs);
    // The server closes its half once it has read all: from then on nothing is lost with this process.
    await this.#until(() => this.#closed, "the server did not close the connection", timeoutMs);
  }

  interrupt(): void {
    this.#interrupted = true;
    this.#moved();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }

  get #unanswered(): number {
    return this.#sent - this.#settled - this.#refusedAhead.length;
  }

  /** Waits until `done`, as long as anything moves at least every `timeoutMs`. */
  async #until(done: () => boolean, what: string, timeoutMs: number, interruptible = false): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (done()) return;
      if (this.#closed) throw this.#lost();
      if (interruptible && this.#interrupted) throw interrupted();
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<"late">((resolve) => {
        timer = setTimeout(resolve, timeoutMs, "late");
      });
      const outcome = await Promise.race([this.#progress.promise, late]);
      clearTimeout(timer);
      if (outcome === "late" && !done()) throw new EscError("ESC_NO_ANSWER", `For ${timeoutMs} ms ${what}.`);
    }
  }

  #hear(chunk: Buffer): void {
    try {
      for (const { kind, n, code } of this.#decoder.push(chunk)) {
        if (kind === AnswerKind.durable) {
          this.#settle(Math.max(this.#settled, Math.min(n, this.#sent)));
        } else if (kind === AnswerKind.refused) {
          const name = refusalName(code) ?? String(code);
          this.#refused.set(name, (this.#refused.get(name) ?? 0) + 1);
          this.#refusals++;
          if (n > this.#settled) this.#refusedAhead.push(n);
        }
      }
    } catch (error) {
      this.#fail(error as Error);
      this.#socket.destroy();
    }
    this.#moved();
  }

  /** All up to this frame are answered: durable, but for those refused before. */
  #settle(last: number): void {
    let first = this.#settled + 1;
    this.#settled = last;
    if (this.#refusedAhead.length > 0) {
      for (const refused of this.#refusedAhead) {
        if (refused > last) break;
        if (refused > first) this.#options.onAcknowledged?.(first, refused - 1);
        first = refused + 1;
      }
      this.#refusedAhead = this.#refusedAhead.filter((frame) => frame > last);
    }
    if (first <= last) this.#options.onAcknowledged?.(first, last);
  }

  #lost(): EscError {
    const unanswered = this.#options.ack ? ` with ${this.#unanswered} events unanswered` : "";
    return new EscError("ESC_CONNECTION_LOST", `The server closed the connection${unanswered}.${this.#hint}`);
  }

  /** Why a server may have ended the connection without a word: to who doesn't ask it gives no answer. */
  get #hint(): string {
    if (this.#longest <= DEFAULT_FRAME_LIMIT + 4) return "";
    return ` A frame of ${Math.ceil(this.#longest) - 4} bytes is over a server's limit, unless its ingestion.max_frame_bytes is larger than the default of ${DEFAULT_FRAME_LIMIT}.`;
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

function interrupted(): EscError {
  return new EscError("ESC_INTERRUPTED", "Interrupted.");
}

/** Frames as datagrams. Nobody answers; a port that nobody listens on may be told by the kernel, and then is told here. */
import dgram from "node:dgram";
import { setTimeout as sleep } from "node:timers/promises";
import { EscError } from "@esc/events";
import { hostPort } from "../host-port.ts";
import type { SendCounts, Sender } from "./sender.ts";

/** The most that fits into a datagram: IPv4's 65,535 bytes less its header and UDP's, rounded down. */
export const MAX_DATAGRAM_BYTES = 65_000;
/** Datagrams in the kernel's hands at once. */
const MAX_IN_FLIGHT = 64;
/** How long a "nobody listens there" (ICMP) may take from the next host. */
const ICMP_MS = 20;

/** Each write is one datagram. */
export class UdpSender implements Sender {
  readonly #socket: dgram.Socket;
  readonly #where: string;
  #inFlight = 0;
  #sent = 0;
  #bytes = 0;
  #failure: Error | undefined;
  #interrupted = false;
  #settled = Promise.withResolvers<void>();
  readonly #onSent = (cause: Error | null) => {
    this.#inFlight--;
    if (cause) this.#fail(cause);
    if (this.#inFlight === MAX_IN_FLIGHT - 1) {
      this.#settled.resolve();
      this.#settled = Promise.withResolvers<void>();
    }
  };

  private constructor(socket: dgram.Socket, where: string) {
    this.#socket = socket;
    this.#where = where;
    socket.on("error", (cause) => this.#fail(cause));
  }

  /** @throws EscError `ESC_CONNECT_FAILED` when the host has no address. */
  static connect(host: string, port: number): Promise<UdpSender> {
    return new Promise((resolve, reject) => {
      const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
      const fail = (cause: Error) => {
        socket.close();
        reject(
          new EscError("ESC_CONNECT_FAILED", `Can't send to ${hostPort(host, port)} (${cause.message}).`, { cause }),
        );
      };
      socket.once("error", fail);
      socket.connect(port, host, () => {
        socket.off("error", fail);
        resolve(new UdpSender(socket, hostPort(host, port)));
      });
    });
  }

  get counts(): SendCounts {
    return { sent: this.#sent, bytes: this.#bytes, acked: 0, refused: new Map() };
  }

  async write(bytes: Uint8Array, frames: number): Promise<void> {
    if (this.#interrupted) throw new EscError("ESC_INTERRUPTED", "Interrupted.");
    if (bytes.length > MAX_DATAGRAM_BYTES) {
      throw new EscError(
        "ESC_DATAGRAM_TOO_LARGE",
        `A datagram takes ${MAX_DATAGRAM_BYTES} bytes, this frame has ${bytes.length}: use TCP or smaller events.`,
      );
    }
    this.#inFlight++;
    this.#sent += frames;
    this.#bytes += bytes.length;
    this.#socket.send(bytes, this.#onSent);
    // Woken by the datagrams themselves: a timer takes a millisecond at least, in which the system sends a thousand.
    while (this.#inFlight >= MAX_IN_FLIGHT && this.#failure === undefined) await this.#settled.promise;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async finish(timeoutMs: number): Promise<void> {
    const end = performance.now() + timeoutMs;
    while (this.#inFlight > 0 && performance.now() < end) await sleep(1);
    await sleep(ICMP_MS);
    if (this.#failure !== undefined) throw this.#failure;
  }

  interrupt(): void {
    this.#interrupted = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
  }

  #fail(cause: NodeJS.ErrnoException): void {
    const message =
      cause.code === "ECONNREFUSED"
        ? `Nobody listens on UDP ${this.#where}. Is the server running?`
        : `A datagram could not be sent: ${cause.message}.`;
    this.#failure ??= new EscError("ESC_SEND_FAILED", message, { cause });
    this.#settled.resolve();
  }
}

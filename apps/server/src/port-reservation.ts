/**
 * Ports that several threads of this server share, and no other server. SO_REUSEPORT would let a second process of the same
 * user bind the same port and take part of the connections without a word. So each port is bound once without it, which
 * fails where anybody has it; and meanwhile and for as long as the server runs, a name in the kernel is held that stands
 * for it, so that of two servers that start at the same moment one is refused.
 *
 * The name is an abstract socket's (Linux): it lives in the network namespace, as ports do, and goes with the process. It is
 * the address as configured; two servers that say the same address in two ways (localhost, 127.0.0.1), and start within
 * the same milliseconds, can miss each other. Systems without such names have the first half alone.
 */
import dgram from "node:dgram";
import net from "node:net";
import { platform } from "node:process";

export type Transport = "tcp" | "udp";

interface Address {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

/** Any free port may be taken by somebody else between the look and the name: then another one is. */
const TRIES_FOR_ANY = 5;

export class PortReservation implements AsyncDisposable {
  readonly port: number;
  readonly #name: net.Server | undefined;

  private constructor(port: number, name: net.Server | undefined) {
    this.port = port;
    this.#name = name;
  }

  /** Rejects with the system's error: `EADDRINUSE` where another process has the port, or is about to. */
  static async take(transport: Transport, { host, port }: Address): Promise<PortReservation> {
    for (let tried = 1; ; tried++) {
      let name = port === 0 ? undefined : await holdName(transport, host, port);
      try {
        const bound = await (transport === "tcp" ? bindTcp(host, port) : bindUdp(host, port));
        name ??= await holdName(transport, host, bound);
        return new PortReservation(bound, name);
      } catch (error) {
        await close(name);
        if (port !== 0 || tried === TRIES_FOR_ANY) throw error;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await close(this.#name);
  }
}

/** Whether this system spreads connections over sockets that share a port. Rejects with an error that says something else. */
export async function canSharePorts(listen: () => Promise<void> = listenShared): Promise<boolean> {
  try {
    await listen();
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTSUP" || code === "ENOPROTOOPT") return false;
    throw error;
  }
}

async function listenShared(): Promise<void> {
  await close(await listening({ host: "127.0.0.1", port: 0, reusePort: true }));
}

async function holdName(transport: Transport, host: string, port: number): Promise<net.Server | undefined> {
  if (platform !== "linux") return undefined;
  const name = await listening({ path: `\0esc.${transport}.${host}.${port}` });
  name.unref();
  return name;
}

async function bindTcp(host: string, port: number): Promise<number> {
  const server = await listening({ host, port });
  const { port: bound } = server.address() as net.AddressInfo;
  await close(server);
  return bound;
}

function bindUdp(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
    socket.once("error", reject);
    socket.bind({ address: host, port }, () => {
      const { port: bound } = socket.address();
      socket.close(() => resolve(bound));
    });
  });
}

function listening(options: net.ListenOptions): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    // Nobody has business here: whoever comes while it is open is sent away, and finds the real one at the next try.
    const server = net.createServer((socket) => socket.destroy());
    server.once("error", reject);
    server.listen(options, () => resolve(server));
  });
}

async function close(server: net.Server | undefined): Promise<void> {
  if (server !== undefined) await new Promise((resolve) => server.close(resolve));
}

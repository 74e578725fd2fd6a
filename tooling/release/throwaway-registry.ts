/**
 * A registry for one rehearsal: on loopback, on a free port, with its storage in a folder that is removed afterwards.
 * Our own scope is never asked for elsewhere, so that what is installed is what was just published; everything else
 * comes from the registry that npm is configured with.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { runServer } from "verdaccio";

export interface RegistryOptions {
  /** Where it keeps everything; made when missing. */
  readonly dir: string;
  /** The scope that it alone has, as "@esc". */
  readonly scope: string;
  /** The registry that has everything else. */
  readonly upstream: string;
}

export class ThrowawayRegistry {
  readonly url: string;
  /** An `.npmrc` that names the registry, with a token that may publish. */
  readonly npmrc: string;
  readonly #server: Server;

  private constructor(server: Server, url: string, npmrc: string) {
    this.#server = server;
    this.url = url;
    this.npmrc = npmrc;
  }

  static async start({ dir, scope, upstream }: RegistryOptions): Promise<ThrowawayRegistry> {
    mkdirSync(dir, { recursive: true });
    const server: Server = await runServer({
      storage: join(dir, "storage"),
      configPath: join(dir, "config.yaml"),
      self_path: join(dir, "config.yaml"),
      web: { enable: false },
      auth: { htpasswd: { file: join(dir, "htpasswd"), max_users: 1 } },
      uplinks: { upstream: { url: upstream, timeout: "30s", maxage: "10m" } },
      packages: {
        [`${scope}/*`]: { access: "$all", publish: "$authenticated" },
        "**": { access: "$all", proxy: "upstream" },
      },
      log: { type: "file", path: join(dir, "registry.log"), level: "warn" },
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/`;
    const npmrc = join(dir, "npmrc");
    writeFileSync(npmrc, `registry=${url}\n//127.0.0.1:${port}/:_authToken=${await newToken(url)}\n`, { mode: 0o600 });
    return new ThrowawayRegistry(server, url, npmrc);
  }

  /** Ends it, and every connection to it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

/** Makes the registry's one user, with a password that nobody keeps. */
async function newToken(url: string): Promise<string> {
  const name = "rehearsal";
  const response = await fetch(`${url}-/user/org.couchdb.user:${name}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name, password: randomUUID() }),
  });
  const { token } = (await response.json()) as { token?: string };
  if (token === undefined) throw new Error(`the registry gave no token (${response.status})`);
  return token;
}

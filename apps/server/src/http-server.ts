/** HTTP for probes, metrics and stats. Read only. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { EscError } from "@esc/events";
import { PROMETHEUS_CONTENT_TYPE, prometheusText } from "@esc/metrics";
import { hostPort } from "./host-port.ts";
import { metricFamilies, type Stats } from "./stats.ts";

/** Whether the server takes events, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  /** By part: `ok`, or what is the matter. */
  readonly checks: Readonly<Record<string, string>>;
}

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly appName: string;
  readonly readiness: () => Readiness;
  /** Undefined while there is nothing to count yet. */
  readonly stats: () => Stats | undefined;
}

const JSON_TYPE = "application/json; charset=utf-8";
const MAX_CONNECTIONS = 256;

export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #server: Server;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#server = createServer(
      { maxHeaderSize: 16_384, requestTimeout: 10_000, headersTimeout: 5_000 },
      (request, response) => this.#answer(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Binds; resolves with the port. @throws EscError `ESC_BIND_FAILED`. */
  listen(): Promise<number> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      // Stays for good: later errors are connections that the system could not hand over, and the next may come.
      this.#server.on("error", (cause: NodeJS.ErrnoException) => {
        const why = cause.code === "EADDRINUSE" ? "is in use by another process" : `can't be bound (${cause.message})`;
        reject(
          new EscError(
            "ESC_BIND_FAILED",
            `${hostPort(host, port)} ${why}. Set http.port to another port, or to 0 for any.`,
            {
              cause,
            },
          ),
        );
      });
      this.#server.listen(port, host, () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    // A body is nobody's business here: read past it, so that the connection can go on.
    request.resume();
    const { status, type = JSON_TYPE, body, headers } = this.#page(request.method, request.url ?? "/");
    response.writeHead(status, {
      "Content-Type": type,
      "Content-Length": Buffer.byteLength(body),
      "Cache-Control": "no-store",
      ...headers,
    });
    response.end(body);
  }

  #page(method: string | undefined, url: string): Page {
    if (method !== "GET" && method !== "HEAD") {
      return problem(405, "ESC_HTTP_METHOD", "Only GET and HEAD are served here.", { Allow: "GET, HEAD" });
    }
    const { appName, readiness, stats } = this.#options;
    switch (url.split("?", 1)[0]) {
      case "/healthz":
        return json(200, { status: "ok", app: appName, pid: process.pid, uptimeSeconds: Math.floor(process.uptime()) });
      case "/readyz": {
        const state = readiness();
        return json(state.ready ? 200 : 503, state);
      }
      case "/metrics": {
        const counts = stats();
        if (counts === undefined) return NOT_READY;
        const body = prometheusText(metricFamilies(counts, readiness().ready));
        return { status: 200, type: PROMETHEUS_CONTENT_TYPE, body };
      }
      case "/api/v1/stats": {
        const counts = stats();
        return counts === undefined ? NOT_READY : json(200, counts);
      }
      default:
        return problem(404, "ESC_HTTP_NOT_FOUND", "There is /healthz, /readyz, /metrics and /api/v1/stats.");
    }
  }
}

interface Page {
  readonly status: number;
  readonly type?: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function json(status: number, value: unknown): Page {
  return { status, body: JSON.stringify(value) };
}

function problem(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}): Page {
  return { ...json(status, { code, message }), headers };
}

const NOT_READY = problem(503, "ESC_NOT_READY", "The server is starting.", { "Retry-After": "1" });

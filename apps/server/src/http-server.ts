/** HTTP for probes, metrics and stats. Read only. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { EscError } from "@esc/events";
import { PROMETHEUS_CONTENT_TYPE, prometheusText } from "@esc/metrics";
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
    this.#server = createServer({ maxHeaderSize: 16_384, requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) =>
      this.#answer(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Binds; resolves with the port. @throws EscError `ESC_BIND_FAILED`. */
  listen(): Promise<number> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause: NodeJS.ErrnoException) => {
        const why = cause.code === "EADDRINUSE" ? "is in use by another process" : `can't be bound (${cause.message})`;
        reject(new EscError("ESC_BIND_FAILED", `${host}:${port} ${why}. Set http.port to another port, or to 0 for any.`, { cause }));
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
    const path = (request.url ?? "/").split("?", 1)[0];
    // A body is nobody's business here: read past it, so that the connection can go on.
    request.resume();
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      return send(response, 405, JSON_TYPE, JSON.stringify({ code: "ESC_HTTP_METHOD", message: "Only GET and HEAD are served here." }));
    }
    const { appName, readiness } = this.#options;
    switch (path) {
      case "/healthz":
        return send(response, 200, JSON_TYPE, JSON.stringify({ status: "ok", app: appName, pid: process.pid, uptimeSeconds: Math.floor(process.uptime()) }));
      case "/readyz": {
        const state = readiness();
        return send(response, state.ready ? 200 : 503, JSON_TYPE, JSON.stringify(state));
      }
      case "/metrics":
        return this.#withStats(response, (stats) =>
          send(response, 200, PROMETHEUS_CONTENT_TYPE, prometheusText(metricFamilies(stats, readiness().ready))),
        );
      case "/api/v1/stats":
        return this.#withStats(response, (stats) => send(response, 200, JSON_TYPE, JSON.stringify(stats)));
      default:
        return send(
          response,
          404,
          JSON_TYPE,
          JSON.stringify({ code: "ESC_HTTP_NOT_FOUND", message: "There is /healthz, /readyz, /metrics and /api/v1/stats." }),
        );
    }
  }

  #withStats(response: ServerResponse, answer: (stats: Stats) => void): void {
    const stats = this.#options.stats();
    if (stats !== undefined) return answer(stats);
    response.setHeader("Retry-After", "1");
    send(response, 503, JSON_TYPE, JSON.stringify({ code: "ESC_NOT_READY", message: "The server is starting." }));
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(body), "Cache-Control": "no-store" });
  response.end(body);
}

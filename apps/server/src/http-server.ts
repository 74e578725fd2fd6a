/** HTTP for probes, metrics and stats, and for what `admin-api.ts` does. Who changes something must be on this machine. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { EscError } from "@esc/events";
import { type MetricFamily, PROMETHEUS_CONTENT_TYPE, prometheusText } from "@esc/metrics";
import { type AdminParts, answerAdmin, isAdminPath } from "./admin-api.ts";
import { hostPort } from "./host-port.ts";
import { metricFamilies } from "./metric-families.ts";
import type { Stats } from "./stats.ts";

/** Whether the server takes events, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  /** Events are taken, and a lane is being brought back to life. */
  readonly degraded: boolean;
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
  /** What `/metrics` tells beside them. */
  readonly moreMetrics: () => readonly MetricFamily[];
  readonly admin: () => AdminParts | undefined;
}

const JSON_TYPE = "application/json; charset=utf-8";
const MAX_CONNECTIONS = 256;
const MAX_BODY_BYTES = 1_048_576;

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
    const { method = "GET", url = "/" } = request;
    const send = ({ status, type = JSON_TYPE, body, headers }: Page) => {
      if (response.destroyed) return;
      response.writeHead(status, {
        "Content-Type": type,
        "Content-Length": Buffer.byteLength(body),
        "Cache-Control": "no-store",
        ...headers,
      });
      response.end(body);
    };
    if (isAdminPath(url)) {
      this.#admin(request, method, url).then(send, (error: Error) => send(faultPage(error)));
      return;
    }
    // A body is nobody's business here: read past it, so that the connection can go on.
    request.resume();
    send(this.#page(method, url));
  }

  async #admin(request: IncomingMessage, method: string, url: string): Promise<Page> {
    const { pathname, searchParams: query } = new URL(url, "http://here");
    const changes = method !== "GET" && method !== "HEAD";
    if (changes) checkOrigin(request);
    const body = await readBody(request);
    const parts = this.#options.admin();
    if (parts === undefined) return NOT_READY;
    const answer = await answerAdmin(parts, {
      ...{ method, path: pathname, query },
      body: method === "POST" ? parsed(body) : undefined,
    });
    return json(answer.status, answer.body);
  }

  #page(method: string | undefined, url: string): Page {
    if (method !== "GET" && method !== "HEAD") {
      return problem(405, "ESC_HTTP_METHOD", "Only GET and HEAD are served here.", { Allow: "GET, HEAD" });
    }
    const { appName, moreMetrics, readiness, stats } = this.#options;
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
        const body = prometheusText([...metricFamilies(counts, readiness().ready), ...moreMetrics()]);
        return { status: 200, type: PROMETHEUS_CONTENT_TYPE, body };
      }
      case "/api/v1/stats": {
        const counts = stats();
        return counts === undefined ? NOT_READY : json(200, counts);
      }
      default:
        return problem(
          404,
          "ESC_HTTP_NOT_FOUND",
          "There is /healthz, /readyz, /metrics, /api/v1/stats, /api/v1/dead-letters and /api/v1/delayed.",
        );
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

/**
 * There is no authentication, so who changes something must be on this machine; and be no page in a browser on it, which
 * would send where it comes from, and can't send JSON to another origin without asking first.
 */
function checkOrigin(request: IncomingMessage): void {
  const { remoteAddress = "" } = request.socket;
  const local = /^(::ffff:)?127\.|^::1$/.test(remoteAddress);
  if (!local) throw new EscError("ESC_HTTP_FORBIDDEN", "Only this machine may change something. Use esc dlq on it.");
  if (request.headers.origin !== undefined) {
    throw new EscError("ESC_HTTP_FORBIDDEN", "A page in a browser may not change anything here.");
  }
  const { "content-type": type = "" } = request.headers;
  if (request.method === "POST" && !/^application\/json\b/i.test(type)) {
    throw new EscError("ESC_HTTP_CONTENT", "Send a JSON object, with Content-Type: application/json.");
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new EscError("ESC_HTTP_CONTENT", `A body takes up to ${MAX_BODY_BYTES} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new EscError("ESC_HTTP_CONTENT", "The body is no JSON.", { cause });
  }
}

const STATUS: Readonly<Record<string, number>> = {
  ESC_HTTP_NOT_FOUND: 404,
  ESC_HTTP_METHOD: 405,
  ESC_HTTP_FORBIDDEN: 403,
  ESC_HTTP_CONTENT: 400,
  ESC_DLQ_QUERY: 400,
  ESC_DELAYED_QUERY: 400,
};

function faultPage(error: Error): Page {
  if (error instanceof EscError) return problem(STATUS[error.code] ?? 503, error.code, error.message);
  return problem(500, "ESC_HTTP_FAILED", error.message);
}

const NOT_READY = problem(503, "ESC_NOT_READY", "The server is starting.", { "Retry-After": "1" });

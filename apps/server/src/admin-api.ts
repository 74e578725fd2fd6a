/** What can be asked and done over HTTP beside looking: dead letters, and events that wait for their time. */
import { EscError, LANE_NAMES, type LaneName, patternProblem } from "@esc/events";
import { type DeadLetterBook, type LetterQuery, MOST_LETTERS, type Reentry } from "@esc/processors";
import { letterJson, summaryJson } from "./letter-json.ts";
import type { DelayedEvent } from "./workers/messages.ts";

/** What the API works on. Undefined while the server starts. */
export interface AdminParts {
  readonly book: DeadLetterBook;
  readonly reentry: Reentry;
  readonly delayed: {
    /** Names of a lane's shards: the lane's own where there is one. */
    readonly shards: (lane: LaneName) => readonly string[];
    /** Undefined for a shard whose thread gives no answer. */
    readonly list: (shard: string, limit: number) => Promise<readonly DelayedEvent[] | undefined>;
    readonly cancel: (shard: string, id: string) => Promise<number | undefined>;
  };
}

export interface AdminRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Parsed JSON. */
  readonly body: unknown;
}

export interface AdminAnswer {
  readonly status: number;
  readonly body: unknown;
}

const ROOT = "/api/v1/";
const FILTERS = ["numbers", "topic", "reason", "lane"] as const;

/** Whether the path is one of this API's. */
export function isAdminPath(path: string): boolean {
  return path.startsWith(`${ROOT}dead-letters`) || path.startsWith(`${ROOT}delayed`);
}

/** Answers a request. @throws EscError `ESC_HTTP_NOT_FOUND`, `ESC_HTTP_METHOD`, `ESC_DLQ_QUERY`, `ESC_DELAYED_QUERY`. */
export async function answerAdmin(
  parts: AdminParts,
  { method, path, query, body }: AdminRequest,
): Promise<AdminAnswer> {
  const [what, which = ""] = path.slice(ROOT.length).split("/");
  const route = `${method === "HEAD" ? "GET" : method} ${what} ${which === "" ? "" : route2(which)}`.trim();
  switch (route) {
    case "GET dead-letters": {
      const page = parts.book.list(queryOf(query));
      return ok({ letters: page.letters.map(summaryJson), next: page.next ?? null });
    }
    case "GET dead-letters *": {
      const number = wholeNumber(which, 1, Number.MAX_SAFE_INTEGER);
      const letter = number === undefined ? undefined : parts.book.show(number);
      if (letter === undefined) throw new EscError("ESC_HTTP_NOT_FOUND", `There is no dead letter ${which}.`);
      return ok(letterJson(letter));
    }
    case "POST dead-letters retry":
      return ok(await parts.book.retry(selectionOf(body), parts.reentry));
    case "POST dead-letters purge":
      return ok(await parts.book.purge(selectionOf(body)));
    case "GET delayed":
      return ok(await listDelayed(parts, query));
    case "DELETE delayed *":
      return ok(await cancelDelayed(parts, which));
    default:
      throw new EscError(
        "ESC_HTTP_METHOD",
        "There is GET dead-letters, GET dead-letters/NUMBER, POST dead-letters/retry and /purge, GET delayed, DELETE delayed/ID.",
      );
  }
}

function route2(which: string): string {
  return which === "retry" || which === "purge" ? which : "*";
}

async function listDelayed({ delayed }: AdminParts, query: URLSearchParams): Promise<unknown> {
  const limit = wholeNumber(query.get("limit") ?? "100", 1, MOST_LETTERS);
  if (limit === undefined)
    throw new EscError("ESC_DELAYED_QUERY", `limit takes a whole number from 1 to ${MOST_LETTERS}.`);
  const shards = LANE_NAMES.flatMap((lane) => delayed.shards(lane).map((shard) => ({ lane, shard })));
  const lists = await Promise.all(
    shards.map(async ({ lane, shard }) => (await delayed.list(shard, limit))?.map((event) => ({ lane, ...event }))),
  );
  const unanswered = shards.filter((_, index) => lists[index] === undefined).map(({ shard }) => shard);
  const events = lists.flatMap((list) => list ?? []).sort((a, b) => a.deliverAt - b.deliverAt);
  return { events: events.slice(0, limit), unanswered };
}

async function cancelDelayed({ delayed }: AdminParts, id: string): Promise<unknown> {
  if (!/^[0-9a-f]{32}$/i.test(id)) {
    throw new EscError("ESC_DELAYED_QUERY", `An event's id is 32 digits of hex, not "${id.slice(0, 64)}".`);
  }
  const shards = LANE_NAMES.flatMap((lane) => delayed.shards(lane));
  const counts = await Promise.all(shards.map((shard) => delayed.cancel(shard, id.toLowerCase())));
  const unanswered = shards.filter((_, index) => counts[index] === undefined);
  return { cancelled: counts.reduce<number>((sum, count) => sum + (count ?? 0), 0), unanswered };
}

function queryOf(params: URLSearchParams): LetterQuery {
  const known = ["topic", "reason", "lane", "after", "limit", "all"];
  const unknown = [...params.keys()].find((key) => !known.includes(key));
  if (unknown !== undefined) throw wrong(`there is no "${unknown}". There is ${known.join(", ")}`);
  const number = (key: string, least: number, most: number) => {
    const text = params.get(key);
    if (text === null) return undefined;
    const value = wholeNumber(text, least, most);
    if (value === undefined) throw wrong(`${key} takes a whole number from ${least} to ${most}`);
    return value;
  };
  const after = number("after", 0, Number.MAX_SAFE_INTEGER);
  const limit = number("limit", 1, MOST_LETTERS);
  return checked({
    ...(params.has("topic") && { topic: params.get("topic") }),
    ...(params.has("reason") && { reason: params.get("reason") }),
    ...(params.has("lane") && { lane: params.get("lane") }),
    ...(after !== undefined && { after }),
    ...(limit !== undefined && { limit }),
    ...(params.get("all") === "true" && { all: true }),
  });
}

/** What a retry or purge is about: it must be said, so that no empty request empties everything. */
function selectionOf(body: unknown): LetterQuery {
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw wrong("the body is a JSON object");
  const { every, limit, ...rest } = body as Record<string, unknown>;
  const unknown = Object.keys(rest).find((key) => !(FILTERS as readonly string[]).includes(key));
  if (unknown !== undefined) throw wrong(`there is no "${unknown}". There is ${FILTERS.join(", ")}, limit, every`);
  if (Object.keys(rest).length === 0 && every !== true) {
    throw wrong(`say which: ${FILTERS.join(", ")}, or "every": true for all that wait`);
  }
  const { numbers } = rest;
  const isNumber = (one: unknown) => Number.isSafeInteger(one) && (one as number) >= 1;
  if (numbers !== undefined && !(Array.isArray(numbers) && numbers.length <= MOST_LETTERS && numbers.every(isNumber))) {
    throw wrong(`numbers takes up to ${MOST_LETTERS} whole numbers`);
  }
  if (
    limit !== undefined &&
    !(Number.isSafeInteger(limit) && (limit as number) >= 1 && (limit as number) <= MOST_LETTERS)
  ) {
    throw wrong(`limit takes a whole number from 1 to ${MOST_LETTERS}`);
  }
  if (Array.isArray(numbers) && numbers.length === 0) throw wrong("numbers names none");
  return checked({ ...rest, ...(limit !== undefined && { limit }) });
}

function checked(query: Record<string, unknown>): LetterQuery {
  for (const key of ["topic", "reason", "lane"]) {
    if (query[key] !== undefined && typeof query[key] !== "string") throw wrong(`${key} takes a string`);
  }
  const problem = query.topic === undefined ? undefined : patternProblem(query.topic as string);
  if (problem !== undefined) throw wrong(`topic: ${problem}`);
  return query as LetterQuery;
}

function wholeNumber(text: string, least: number, most: number): number | undefined {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return number >= least && number <= most ? number : undefined;
}

function wrong(what: string): EscError {
  return new EscError("ESC_DLQ_QUERY", `Dead letters: ${what}.`);
}

function ok(body: unknown): AdminAnswer {
  return { status: 200, body };
}

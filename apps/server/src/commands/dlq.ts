/** `esc dlq list|show|retry|purge DIR [NUMBER…]`: dead letters. Through the server that has the directory, or without one. */
import { resolve } from "node:path";
import { EscError, patternProblem } from "@esc/events";
import { DeadLetterBook, type LetterQuery, MOST_LETTERS, OfflineReentry, type RetryResult } from "@esc/processors";
import { DirectoryLock } from "@esc/storage";
import type { CAC } from "cac";
import { configSchema } from "../config/schema.ts";
import { httpAddress } from "../http-address.ts";
import { type LetterJson, letterJson, type SummaryJson, summaryJson } from "../letter-json.ts";
import { adminClient } from "./admin-client.ts";
import { asWritten } from "./as-written.ts";
import { printable } from "./printable.ts";
import { ExitCode, UsageError, wholeNumber } from "./usage-error.ts";

interface DlqOptions {
  readonly json?: boolean;
  readonly limit?: unknown;
  readonly after?: unknown;
  readonly all?: boolean;
}

/** What both ways can do. */
interface Letters {
  list(query: LetterQuery): Promise<{ letters: readonly SummaryJson[]; next: number | null }>;
  show(number: number): Promise<LetterJson>;
  retry(query: LetterQuery): Promise<RetryResult>;
  purge(query: LetterQuery): Promise<{ purged: readonly number[] }>;
}

export function registerDlq(cli: CAC): void {
  cli
    .command("dlq <action> <dir> [...numbers]", "Dead letters: esc dlq list|show|retry|purge DIR [NUMBER…]")
    .option("--json", "One JSON object on standard output")
    .option("--topic <pattern>", "Only of topics that match (* one level, > the rest)")
    .option("--reason <code>", "Only of this reason, like handler_failed")
    .option("--lane <name>", "Only of this lane")
    .option("--after <number>", "list: only those behind this one")
    .option("--limit <count>", "At most so many (list: 100 unless given)")
    .option("--all", "list: also those retried or purged; retry, purge: every one that waits")
    .example("esc dlq list ./data --topic 'order.>' --reason handler_failed")
    .example("esc dlq retry ./data 12 13")
    .action(async (action: string, dir: string, numbers: readonly unknown[], options: DlqOptions) => {
      const run = { list, show, retry, purge }[action];
      if (run === undefined) throw new UsageError(`esc dlq ${action}: there is list, show, retry and purge.`);
      const query = queryOf(action, numbers, options, cli.rawArgs);
      const dataDir = resolve(process.env.INIT_CWD ?? process.cwd(), String(dir));
      await withLetters(dataDir, (letters) => run(letters, query, options));
    });
}

function queryOf(
  action: string,
  numbers: readonly unknown[],
  options: DlqOptions,
  args: readonly string[],
): LetterQuery {
  const text = (name: string) => {
    const value = asWritten(args, name);
    return value === undefined ? {} : { [name]: value };
  };
  const filters: LetterQuery = {
    ...(numbers.length > 0 && {
      numbers: numbers.map((one) => wholeNumber("NUMBER", one, 1, Number.MAX_SAFE_INTEGER)),
    }),
    ...text("topic"),
    ...text("reason"),
    ...text("lane"),
  };
  const problem = filters.topic === undefined ? undefined : patternProblem(filters.topic);
  if (problem !== undefined) throw new UsageError(`--topic: ${problem}.`);
  const changes = action === "retry" || action === "purge";
  if (changes && Object.keys(filters).length === 0 && options.all !== true) {
    throw new UsageError(
      `esc dlq ${action}: say which, by number, --topic, --reason or --lane; or --all for every one.`,
    );
  }
  if (action === "show" && numbers.length !== 1) throw new UsageError("esc dlq show takes one number.");
  return {
    ...filters,
    ...(options.limit !== undefined && { limit: wholeNumber("--limit", options.limit, 1, MOST_LETTERS) }),
    ...(options.after !== undefined && { after: wholeNumber("--after", options.after, 0, Number.MAX_SAFE_INTEGER) }),
    ...(action === "list" && options.all === true && { all: true }),
  };
}

/** Through the server where one has the directory, else on the directory itself. */
async function withLetters(dataDir: string, work: (letters: Letters) => Promise<void>): Promise<void> {
  let lock: DirectoryLock;
  try {
    lock = DirectoryLock.acquire(dataDir);
  } catch (error) {
    if (!(error instanceof EscError && error.code === "ESC_DATA_DIR_LOCKED")) throw error;
    const address = httpAddress(dataDir);
    if (address === undefined) {
      throw new EscError(
        "ESC_DLQ_NO_HTTP",
        `${error.message} Its dead letters are reached over HTTP, which is off (http.enable).`,
      );
    }
    return await work(throughServer(`http://${address}/api/v1/dead-letters`));
  }
  try {
    using book = new DeadLetterBook(dataDir);
    await work(onDirectory(book, dataDir));
  } finally {
    lock[Symbol.dispose]();
  }
}

function onDirectory(book: DeadLetterBook, dataDir: string): Letters {
  return {
    async list(query) {
      const { letters, next } = book.list(query);
      return { letters: letters.map(summaryJson), next: next ?? null };
    },
    async show(number) {
      const letter = book.show(number);
      if (letter === undefined) throw new EscError("ESC_DLQ_NOT_FOUND", `There is no dead letter ${number}.`);
      return letterJson(letter);
    },
    async retry(query) {
      const { segment_bytes: segmentBytes } = configSchema.parse({}).storage;
      using reentry = new OfflineReentry({ dataDir, segmentBytes });
      return await book.retry(query, reentry);
    },
    purge: (query) => book.purge(query),
  };
}

function throughServer(root: string): Letters {
  const ask = adminClient(root);
  const change = (what: string, query: LetterQuery) => {
    const filtered = Object.keys(query).some((key) => key !== "limit");
    const body = JSON.stringify({ ...query, ...(!filtered && { every: true }) });
    return ask(`/${what}`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  };
  return {
    async list(query) {
      if (query.numbers !== undefined)
        throw new UsageError("esc dlq list takes no numbers while a server runs: use show.");
      return await ask(`?${new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]))}`);
    },
    show: (number) => ask(`/${number}`),
    retry: (query) => change("retry", query),
    purge: (query) => change("purge", query),
  };
}

async function list(letters: Letters, query: LetterQuery, { json }: DlqOptions): Promise<void> {
  const page = await letters.list(query);
  if (json) return print(`${JSON.stringify(page)}\n`);
  print(page.letters.map(line).join(""));
  if (page.next !== null) print(`… more behind ${page.next}: --after ${page.next}\n`);
  else if (page.letters.length === 0) print("none\n");
}

async function show(letters: Letters, { numbers }: LetterQuery, { json }: DlqOptions): Promise<void> {
  const letter = await letters.show(numbers?.[0] as number);
  if (json) return print(`${JSON.stringify(letter)}\n`);
  const { payload, payloadBase64, metadata, error, ...facts } = letter;
  for (const [name, value] of Object.entries(facts)) print(`${name.padEnd(14)}${printable(String(value))}\n`);
  for (const [key, value] of Object.entries(metadata)) print(`metadata      ${printable(`${key}: ${value}`)}\n`);
  print(
    `error\n${indented(error)}payload${payload === undefined ? " (base64)" : ""}\n${indented(payload ?? payloadBase64 ?? "")}`,
  );
}

async function retry(letters: Letters, query: LetterQuery, { json }: DlqOptions): Promise<void> {
  const result = await letters.retry(query);
  if (result.refused.length > 0) process.exitCode = ExitCode.failed;
  if (json) return print(`${JSON.stringify(result)}\n`);
  print(`${result.retried.length} retried\n`);
  for (const { number, why } of result.refused) print(`#${number} not retried: ${why}\n`);
}

async function purge(letters: Letters, query: LetterQuery, { json }: DlqOptions): Promise<void> {
  const result = await letters.purge(query);
  print(json ? `${JSON.stringify(result)}\n` : `${result.purged.length} purged\n`);
}

function line({ number, state, lastAt, lane, sequence, topic, reason, attempts, error }: SummaryJson): string {
  const [first = ""] = error.split("\n", 1);
  const was = state === "waiting" ? "" : ` (${state})`;
  return `${printable(`#${number}${was} ${lastAt} ${lane}#${sequence} ${topic} ${reason} after ${attempts}: ${first}`)}\n`;
}

function indented(text: string): string {
  return text
    .split("\n")
    .map((each) => `  ${printable(each)}\n`)
    .join("");
}

function print(text: string): void {
  process.stdout.write(text);
}

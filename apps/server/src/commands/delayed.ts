/** `esc delayed list|cancel DIR [ID]`: events that wait for their time, through the server that has the directory. */
import { resolve } from "node:path";
import { EscError } from "@esc/events";
import type { CAC } from "cac";
import { httpAddress } from "../http-address.ts";
import { adminClient } from "./admin-client.ts";
import { printable } from "./printable.ts";
import { ExitCode, UsageError, wholeNumber } from "./usage-error.ts";

interface DelayedOptions {
  readonly json?: boolean;
  readonly limit?: unknown;
}

/** Lanes whose threads gave no answer, as while they are started again. */
interface Answer {
  readonly unanswered: readonly string[];
}

interface Listed extends Answer {
  readonly events: readonly {
    readonly lane: string;
    readonly sequence: number;
    readonly topic: string;
    readonly deliverAt: number;
    readonly id?: string;
  }[];
}

type Ask = ReturnType<typeof adminClient>;

const MOST = 1_000;

export function registerDelayed(cli: CAC): void {
  cli
    .command("delayed <action> <dir> [id]", "Events that wait for their time: esc delayed list|cancel DIR [ID]")
    .option("--json", "One JSON object on standard output")
    .option("--limit <count>", "list: at most so many of each lane (100 unless given)")
    .example("esc delayed list ./data")
    .example("esc delayed cancel ./data 6f1c…")
    .action(async (action: string, dir: string, _id: unknown, options: DelayedOptions) => {
      // As written: an id of digits only is no number.
      const id = cli.rawArgs.slice(2).filter((arg) => !arg.startsWith("-"))[3];
      if (action !== "list" && action !== "cancel") {
        throw new UsageError(`esc delayed ${action}: there is list and cancel.`);
      }
      if (action === "cancel" && !/^[0-9a-f]{32}$/i.test(id ?? "")) {
        throw new UsageError("esc delayed cancel takes an event's id: 32 hexadecimal digits.");
      }
      const dataDir = resolve(process.env.INIT_CWD ?? process.cwd(), String(dir));
      const address = httpAddress(dataDir);
      if (address === undefined) {
        throw new EscError(
          "ESC_NO_SERVER",
          `No server with HTTP runs on ${dataDir}: what waits for its time is in its memory.`,
        );
      }
      const ask = adminClient(`http://${address}/api/v1/delayed`);
      if (action === "list") await list(ask, options);
      else await cancel(ask, id as string, options);
    });
}

async function list(ask: Ask, { json, limit = 100 }: DelayedOptions): Promise<void> {
  const answer: Listed = await ask(`?limit=${wholeNumber("--limit", limit, 1, MOST)}`);
  if (json) return print(`${JSON.stringify(answer)}\n`);
  for (const { lane, sequence, topic, deliverAt, id } of answer.events) {
    print(printable(`${new Date(deliverAt).toISOString()} ${lane}#${sequence} ${topic} ${id ?? "(no id)"}`));
    print("\n");
  }
  if (answer.events.length === 0) print("none\n");
  tellUnanswered(answer);
}

async function cancel(ask: Ask, id: string, { json }: DelayedOptions): Promise<void> {
  const answer: Answer & { readonly cancelled: number } = await ask(`/${id}`, { method: "DELETE" });
  if (answer.cancelled === 0) process.exitCode = ExitCode.failed;
  if (json) return print(`${JSON.stringify(answer)}\n`);
  print(`${answer.cancelled} cancelled\n`);
  tellUnanswered(answer);
}

function tellUnanswered({ unanswered }: Answer): void {
  if (unanswered.length > 0) process.stderr.write(`no answer from ${unanswered.join(", ")}; try again\n`);
}

function print(text: string): void {
  process.stdout.write(text);
}

/** Reads recorded histories of clients: who called what when, and what came back. */
import {
  isLinearizable,
  type Operation,
  type RegisterOperation,
  type RegisterOutcome,
} from "../simulator/linearizability.ts";

/** A register with compare-and-set. What timed out may have happened at any time or not at all, unless it was a read. */
export function parseRegisterHistory(text: string): readonly RegisterOperation[] {
  const operations: RegisterOperation[] = [];
  const open = new Map<string, { call: number; kind: string; args: string }>();
  text.split("\n").forEach((line, time) => {
    const [, client, phase, kind, args] = /-\s*(\d+)\s+:(\w+)\s+:(\w+)\s+(.*)$/.exec(line) ?? [];
    if (client === undefined || phase === undefined || kind === undefined || args === undefined) return;
    if (phase === "invoke") {
      open.set(client, { call: time, kind, args });
      return;
    }
    const called = open.get(client);
    open.delete(client);
    if (called === undefined) throw new Error(`line ${time + 1}: nothing was called`);
    const unknown = phase === "info";
    if (unknown && kind === "read") return;
    const outcome = outcomeOf(called.kind, kind === "read" ? args : called.args, unknown ? undefined : phase === "ok");
    operations.push({ call: called.call, end: unknown ? Number.POSITIVE_INFINITY : time, outcome });
  });
  // Who was still waiting when the recording ended: the same as a time-out.
  for (const { call, kind, args } of open.values()) {
    if (kind !== "read") {
      operations.push({ call, end: Number.POSITIVE_INFINITY, outcome: outcomeOf(kind, args, undefined) });
    }
  }
  return operations;
}

function outcomeOf(kind: string, args: string, done: boolean | undefined): RegisterOutcome {
  const numbers = (args.match(/-?\d+/g) ?? []).map(Number);
  if (kind === "read") return { kind: "read", value: numbers[0] };
  if (kind === "write") return { kind: "write", value: numbers[0] as number };
  return { kind: "swap", from: numbers[0] as number, to: numbers[1] as number, done };
}

/** Keys with get, put and append; each key is a history of its own, since linearizability holds of the whole if of each. */
export function isKeyValueHistory(text: string): boolean {
  const byKey = new Map<string, Operation<string>[]>();
  const open = new Map<string, { call: number; value: string }>();
  text.split("\n").forEach((line, time) => {
    const [, client, phase, kind, key, value] =
      /:process (\d+), :type :(\w+), :f :(\w+), :key "([^"]*)", :value (.*)\}/.exec(line) ?? [];
    if (client === undefined || key === undefined || value === undefined) return;
    const word = value === "nil" ? "" : (JSON.parse(value) as string);
    if (phase === "invoke") {
      open.set(client, { call: time, value: word });
      return;
    }
    const called = open.get(client) as { call: number; value: string };
    const apply = (state: string) => {
      if (kind === "get") return state === word ? state : undefined;
      return kind === "put" ? called.value : state + called.value;
    };
    byKey.set(key, [...(byKey.get(key) ?? []), { call: called.call, end: time, apply }]);
  });
  return [...byKey.values()].every((operations) => isLinearizable(operations, "", (state) => state));
}

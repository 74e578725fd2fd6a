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
  for (const [time, line] of text.split("\n").entries()) {
    const [, client, phase, kind, args] = /-\s*(\d+)\s+:(\w+)\s+:(\w+)\s+(.*?)\s*$/.exec(line) ?? [];
    if (client === undefined || phase === undefined || kind === undefined || args === undefined) continue;
    if (phase === "invoke") {
      open.set(client, { call: time, kind, args });
      continue;
    }
    const called = open.get(client);
    open.delete(client);
    if (called === undefined) throw new Error(`line ${time + 1}: nothing was called`);
    const unknown = phase === "info";
    // A read without an answer says nothing, and a write that failed has not happened.
    if (phase !== "ok" && called.kind === "read") continue;
    if (phase === "fail" && called.kind === "write") continue;
    const outcome = outcomeOf(called.kind, kind === "read" ? args : called.args, unknown ? undefined : phase === "ok");
    operations.push({ call: called.call, end: unknown ? Number.POSITIVE_INFINITY : time, outcome });
  }
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

/**
 * Keys with get, put and append; each key is a history of its own, since linearizability holds of the whole if of each. What was
 * never answered may have happened; a get without an answer says nothing.
 */
export function parseKeyValueHistory(text: string): ReadonlyMap<string, readonly Operation<string>[]> {
  const byKey = new Map<string, Operation<string>[]>();
  const open = new Map<string, { call: number; kind: string; key: string; value: string }>();
  const add = (key: string, operation: Operation<string>) => {
    const history = byKey.get(key);
    if (history === undefined) byKey.set(key, [operation]);
    else history.push(operation);
  };
  for (const [time, line] of text.split("\n").entries()) {
    const [, client, phase, kind, key, value] = KEY_VALUE_LINE.exec(line) ?? [];
    if (client === undefined || kind === undefined || key === undefined || value === undefined) continue;
    const word = value === "nil" ? "" : (JSON.parse(value) as string);
    if (phase === "invoke") {
      open.set(client, { call: time, kind, key, value: word });
      continue;
    }
    const called = open.get(client);
    if (called === undefined) throw new Error(`line ${time + 1}: nothing was called`);
    open.delete(client);
    if (phase === "info" && kind !== "get") {
      add(key, { call: called.call, end: Number.POSITIVE_INFINITY, apply: keyValueStep(kind, called.value) });
    }
    if (phase === "ok")
      add(key, { call: called.call, end: time, apply: keyValueStep(kind, kind === "get" ? word : called.value) });
  }
  for (const { call, kind, key, value } of open.values()) {
    if (kind !== "get") add(key, { call, end: Number.POSITIVE_INFINITY, apply: keyValueStep(kind, value) });
  }
  return byKey;
}

const KEY_VALUE_LINE = /:process (\d+), :type :(\w+), :f :(\w+), :key "([^"]*)", :value (.*)\}/;

function keyValueStep(kind: string, word: string): (state: string) => string | undefined {
  if (kind === "get") return (state) => (state === word ? state : undefined);
  return kind === "put" ? () => word : (state) => state + word;
}

export function isKeyValueHistory(text: string): boolean {
  return [...parseKeyValueHistory(text).values()].every((operations) =>
    isLinearizable(operations, "", (state) => state),
  );
}

/** Clients of the simulated registers, and the history that they make. */
import type { Entry } from "../src/entry.ts";
import { isRegister, type RegisterOperation, type RegisterOutcome } from "./linearizability.ts";
import { type Command, decodeCommand, encodeCommand } from "./machine.ts";
import type { SimulatedNode } from "./node.ts";
import type { Random } from "./random.ts";
import { Broken } from "./referee.ts";

/** Operations on one register. Few, since the search for an order is exponential in those that nobody answered. */
const OPERATIONS_PER_KEY = 24;
/** Steps after which a client gives up. */
const PATIENCE = 600;
const CLIENTS = 6;

interface Open {
  readonly id: number;
  readonly key: number;
  readonly call: number;
  readonly node: number;
  readonly command: Command | undefined;
  /** Of a read that may be served: from which applied index on. */
  index: number | undefined;
}

export class Clients {
  readonly #random: Random;
  readonly #open = new Map<number, Open>();
  readonly #histories = new Map<number, RegisterOperation[]>();
  #nextId = 1;
  #begun = 0;
  completed = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Begins an operation at a node, if a client is free. What is refused has not happened. */
  begin(node: SimulatedNode, now: number): void {
    const { core } = node;
    if (core === undefined || this.#open.size >= CLIENTS) return;
    const id = this.#nextId++;
    const key = Math.floor(this.#begun / OPERATIONS_PER_KEY);
    const isRead = this.#random.chance(0.5);
    if (isRead) {
      const open: Open = { id, key, call: now, node: node.id, command: undefined, index: undefined };
      if (node.readsLocally) open.index = 0;
      else if (core.readIndex(id) !== undefined) return;
      this.#open.set(id, open);
      this.#begun++;
      if (node.readsLocally) this.serve(node, now);
      return;
    }
    const kind = this.#random.chance(0.7) ? "write" : "swap";
    const command: Command = { id, key, kind, from: this.#nextId - 1 - this.#random.below(6), value: id };
    if (core.propose(encodeCommand(command)) !== undefined) return;
    this.#open.set(id, { id, key, call: now, node: node.id, command, index: undefined });
    this.#begun++;
  }

  /** A node has applied an entry: whoever proposed it there has an answer. */
  applied(node: SimulatedNode, entry: Entry, effective: boolean, now: number): void {
    const command = entry.type === "normal" ? decodeCommand(entry.data) : undefined;
    const open = command === undefined ? undefined : this.#open.get(command.id);
    if (open !== undefined && open.command !== undefined && open.node === node.id) {
      this.#finish(open, now, outcomeOf(open.command, effective));
    }
    this.serve(node, now);
  }

  readable(node: SimulatedNode, id: number, index: number, now: number): void {
    const open = this.#open.get(id);
    if (open === undefined || open.node !== node.id) return;
    open.index = index;
    this.serve(node, now);
  }

  /** Serves the reads of a node that has applied enough. */
  serve(node: SimulatedNode, now: number): void {
    for (const open of this.#open.values()) {
      if (open.index === undefined || open.node !== node.id || node.machine.applied < open.index) continue;
      this.#finish(open, now, { kind: "read", value: node.machine.read(open.key) });
    }
  }

  /** Gives up what takes too long. A write may still happen at any time; a read is forgotten. */
  giveUp(now: number): void {
    for (const open of this.#open.values()) {
      if (now - open.call < PATIENCE) continue;
      this.#open.delete(open.id);
      if (open.command !== undefined) this.#record(open, Number.POSITIVE_INFINITY, outcomeOf(open.command, undefined));
    }
  }

  /** @throws Broken when there is no order of the operations in which a register would have answered so. */
  check(): void {
    this.giveUp(Number.POSITIVE_INFINITY);
    for (const [key, history] of this.#histories) {
      if (!isRegister(history)) throw new Broken("linearizability", `no register answers as ${key} did`);
    }
  }

  #finish(open: Open, now: number, outcome: RegisterOutcome): void {
    this.#open.delete(open.id);
    this.completed++;
    this.#record(open, now, outcome);
  }

  #record({ key, call }: Open, end: number, outcome: RegisterOutcome): void {
    const history = this.#histories.get(key) ?? [];
    history.push({ call, end, outcome });
    this.#histories.set(key, history);
  }
}

function outcomeOf(command: Command, done: boolean | undefined): RegisterOutcome {
  const { kind, from, value } = command;
  return kind === "write" ? { kind: "write", value } : { kind: "swap", from, to: value, done };
}

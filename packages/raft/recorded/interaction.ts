/** Plays a recorded script: a whole group, one bag of messages, and a command at a time. */
import type { Transition } from "../src/conf-change.ts";
import { NO_DATA } from "../src/entry.ts";
import { type Message, message } from "../src/message.ts";
import type { Case } from "./datadriven.ts";
import { value } from "./datadriven.ts";
import {
  describeEntries,
  describeMessage,
  describeProgressMap,
  describeReady,
  MESSAGE_NAMES,
  parseChanges,
  ROLE_NAMES,
} from "./describe.ts";
import { MessageBag } from "./message-bag.ts";
import { ScriptNode } from "./script-node.ts";
import { ELECTION_TICKS, scriptSettings } from "./script-settings.ts";

/** The recordings' words for what is refused. */
const REFUSALS: Record<string, string> = {
  ESC_RAFT_NOT_LEADER: "raft proposal dropped",
  ESC_RAFT_PROPOSAL_DROPPED: "raft proposal dropped",
  ESC_RAFT_UNKNOWN_PEER: "raft: cannot step as peer not found",
  ESC_RAFT_LOCAL_MESSAGE: "raft: cannot step raft local message",
};

/** How much the original's logger says. The last one silences everything but errors of commands. */
const LEVELS = ["DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE"];

function isTransition(word: string): word is Transition {
  return word === "auto" || word === "implicit" || word === "explicit";
}

export class Interaction {
  readonly #nodes: ScriptNode[] = [];
  readonly #messages = new MessageBag();
  #output = "";
  #indent = "";
  #quiet = false;

  /** Runs a command and returns what it prints. */
  run(found: Case): string {
    this.#output = "";
    this.#handle(found);
    return this.#output === "" ? "ok" : this.#output;
  }

  #handle(found: Case): void {
    const ids = found.args.filter(({ key }) => /^\d+$/.test(key)).map(({ key }) => Number(key));
    const node = () => this.#node(ids[0] as number);
    switch (found.command) {
      case "add-nodes":
        this.#addNodes(found, ids[0] as number);
        return;
      case "campaign":
        node().core.campaign();
        return;
      case "propose":
        this.#refusedCommand(node().core.propose(new TextEncoder().encode(found.args[1]?.key ?? "")));
        return;
      case "propose-conf-change":
        this.#proposeConfChange(found, node());
        return;
      case "process-ready":
        this.#each(ids, "handling Ready", (each) => this.#processReady(each));
        return;
      case "process-append-thread":
        this.#each(ids, "processing append thread", (each) => this.#processAppend(each));
        return;
      case "process-apply-thread":
        this.#each(ids, "processing apply thread", (each) => this.#processApply(each));
        return;
      case "deliver-msgs":
        this.#deliverCommand(found);
        return;
      case "stabilize":
        this.#stabilizeCommand(found, ids);
        return;
      case "tick-election":
        this.#tick(node(), ELECTION_TICKS);
        return;
      case "tick-heartbeat":
        this.#tick(node(), 1);
        return;
      case "set-randomized-election-timeout":
        node().core.state.randomizedElectionTicks = Number(value(found, "timeout"));
        return;
      case "log-level":
        this.#setLevel(found.args[0]?.key ?? "");
        return;
      case "raft-log":
        this.#print(node().describeLog(describeEntries));
        return;
      case "raft-state":
        this.#raftState();
        return;
      case "status":
        // Only a leader knows how far the others are.
        if (node().core.state.role === "leader") this.#print(describeProgressMap(node().core.state.tracker.progress));
        return;
      case "compact":
        node().storage.compact(ids[1] as number);
        this.#print(node().describeLog(describeEntries));
        return;
      case "send-snapshot":
        this.#sendSnapshot(node(), ids[1] as number);
        return;
      case "transfer-leadership":
        this.#node(Number(value(found, "from"))).core.transferLeadership(Number(value(found, "to")));
        return;
      case "forget-leader":
        node().core.forgetLeader();
        return;
      case "report-unreachable":
        node().core.reportUnreachable(ids[1] as number);
        return;
      case "_breakpoint":
        return;
      default:
        throw new Error(`line ${found.line}: unknown command ${found.command}`);
    }
  }

  #addNodes(found: Case, count: number): void {
    const { options, bootstrap } = scriptSettings(found);
    if (bootstrap !== undefined && bootstrap.index <= 1) {
      this.#failed("index must be specified as > 1 due to bootstrap");
      return;
    }
    for (let n = 0; n < count; n++) this.#nodes.push(new ScriptNode(this.#nodes.length + 1, options, bootstrap));
  }

  #proposeConfChange(found: Case, node: ScriptNode): void {
    const transition = value(found, "transition") ?? "auto";
    if (!isTransition(transition)) {
      this.#failed(`unknown transition ${transition}`);
      return;
    }
    const changes = parseChanges(found.input);
    const single = value(found, "v1") === "true";
    if (single && (changes.length > 1 || transition !== "auto")) {
      this.#failed("v1 conf change can only have one operation and no transition");
      return;
    }
    this.#refusedCommand(node.core.proposeConfChange({ changes, transition, context: NO_DATA }, { single }));
  }

  #processReady(node: ScriptNode): void {
    const { ready, sent } = node.processReady((text) => this.#print(text), describeReady);
    this.#messages.add(sent);
    if (ready) node.core.advance();
  }

  #processAppend(node: ScriptNode): void {
    this.#work("append", node.appendWork.shift(), (work) => {
      const hasHardState = work.term > 0 || work.vote > 0 || work.commit > 0;
      node.append(hasHardState ? work : undefined, work.entries, work.snapshot);
    });
  }

  #processApply(node: ScriptNode): void {
    this.#work("apply", node.applyWork.shift(), ({ entries }) => node.apply(entries));
  }

  #work(kind: "append" | "apply", work: Message | undefined, act: (work: Message) => void): void {
    if (work === undefined) {
      this.#print(`no ${kind} work to perform`);
      return;
    }
    this.#print(`Processing:\n${describeMessage({ ...work, responses: [] })}\n`);
    act(work);
    this.#print(`Responses:\n${work.responses.map((each) => `${describeMessage(each)}\n`).join("")}`);
    this.#messages.add(work.responses);
  }

  #deliverCommand(found: Case): void {
    const type = value(found, "type");
    if (type !== undefined && !Object.values(MESSAGE_NAMES).includes(type)) throw new Error(`no message is a ${type}`);
    let delivered = 0;
    for (const { key, values: ids } of found.args) {
      if (/^\d+$/.test(key)) delivered += this.#deliver(Number(key), type, false);
      else if (key === "drop") for (const id of ids) delivered += this.#deliver(Number(id), type, true);
    }
    if (delivered === 0) this.#print("no messages\n");
  }

  #deliver(to: number, type: string | undefined, drop: boolean): number {
    const taken = this.#messages.take(to, type, drop);
    for (const sent of taken) {
      this.#print(`${drop ? "dropped: " : ""}${describeMessage(sent)}\n`);
      if (!drop) this.#refused(this.#node(to).core.step(sent));
    }
    return taken.length;
  }

  #stabilizeCommand(found: Case, ids: readonly number[]): void {
    const level = value(found, "log-level");
    const before = this.#quiet;
    if (level !== undefined) this.#setLevel(level);
    this.#stabilize(ids.length === 0 ? this.#nodes : ids.map((id) => this.#node(id)));
    this.#quiet = before;
  }

  #stabilize(nodes: readonly ScriptNode[]): void {
    for (let busy = true; busy; ) {
      busy = false;
      const stage = (what: string, has: (node: ScriptNode) => boolean, act: (node: ScriptNode) => void) => {
        for (const node of nodes) {
          if (!has(node)) continue;
          busy = true;
          this.#headed(`> ${node.id} ${what}`, () => act(node));
        }
      };
      stage(
        "handling Ready",
        ({ core }) => core.hasReady,
        (node) => this.#processReady(node),
      );
      stage(
        "receiving messages",
        ({ id }) => this.#messages.has(id),
        ({ id }) => void this.#deliver(id, undefined, false),
      );
      stage(
        "processing append thread",
        ({ appendWork }) => appendWork.length > 0,
        (node) => {
          while (node.appendWork.length > 0) this.#processAppend(node);
        },
      );
      stage(
        "processing apply thread",
        ({ applyWork }) => applyWork.length > 0,
        (node) => {
          while (node.applyWork.length > 0) this.#processApply(node);
        },
      );
    }
  }

  #tick({ core }: ScriptNode, times: number): void {
    for (let n = 0; n < times; n++) core.tick();
  }

  #raftState(): void {
    for (const { core, id } of this.#nodes) {
      const { role, term, lead, tracker } = core.state;
      const voter = tracker.isVoter(id) ? "(Voter)" : "(Non-Voter)";
      this.#print(`${id}: ${ROLE_NAMES[role]} ${voter} Term:${term} Lead:${lead}\n`);
    }
  }

  #sendSnapshot(node: ScriptNode, to: number): void {
    const sent = message("snapshot", to, { from: node.id, term: node.core.state.term, snapshot: node.snapshot() });
    this.#messages.add([sent]);
    this.#print(describeMessage(sent));
  }

  #each(ids: readonly number[], what: string, act: (node: ScriptNode) => void): void {
    for (const id of ids) {
      if (ids.length === 1) act(this.#node(id));
      else this.#headed(`> ${id} ${what}`, () => act(this.#node(id)));
    }
  }

  #headed(head: string, act: () => void): void {
    this.#print(`${head}\n`);
    this.#indent = "  ";
    act();
    this.#indent = "";
  }

  #refused(refusal: { readonly code: string } | undefined): void {
    if (refusal !== undefined) this.#print(`${REFUSALS[refusal.code] ?? refusal.code}\n`);
  }

  /** What refuses a command of the script itself is told at any level. */
  #refusedCommand(refusal: { readonly code: string } | undefined): void {
    if (refusal !== undefined) this.#failed(REFUSALS[refusal.code] ?? refusal.code);
  }

  #failed(why: string): void {
    this.#output += `${why}\n`;
  }

  #setLevel(level: string): void {
    if (LEVELS.includes(level.toUpperCase())) this.#quiet = level.toUpperCase() === "NONE";
    else this.#failed(`log levels must be either of [${LEVELS.join(" ")}]`);
  }

  #print(text: string): void {
    if (this.#quiet || text === "") return;
    const lines = text.replace(/\n$/, "").split("\n");
    for (const line of lines) this.#output += `${this.#indent}${line}\n`;
  }

  #node(id: number): ScriptNode {
    const node = this.#nodes[id - 1];
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }
}

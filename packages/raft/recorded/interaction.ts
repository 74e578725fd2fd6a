/** Plays a recorded script: a whole group, one bag of messages, and a command at a time. */
import type { Transition } from "../src/conf-change.ts";
import { NO_DATA } from "../src/entry.ts";
import { isStorageTarget, type Message, message } from "../src/message.ts";
import type { RaftOptions } from "../src/options.ts";
import type { Case } from "./datadriven.ts";
import { value, values } from "./datadriven.ts";
import {
  describeEntries,
  describeMessage,
  describeProgressMap,
  describeReady,
  MESSAGE_NAMES,
  parseChanges,
  ROLE_NAMES,
} from "./describe.ts";
import { ScriptNode } from "./script-node.ts";

/** The recordings' words for what is refused. */
const REFUSALS: Record<string, string> = {
  ESC_RAFT_NOT_LEADER: "raft proposal dropped",
  ESC_RAFT_PROPOSAL_DROPPED: "raft proposal dropped",
  ESC_RAFT_UNKNOWN_PEER: "raft: cannot step as peer not found",
  ESC_RAFT_LOCAL_MESSAGE: "raft: cannot step raft local message",
};

export class Interaction {
  readonly #nodes: ScriptNode[] = [];
  #messages: Message[] = [];
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
        this.#refused(node().core.propose(new TextEncoder().encode(found.args[1]?.key ?? "")));
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
        this.#deliverCommand(found, ids);
        return;
      case "stabilize":
        this.#stabilizeCommand(found, ids);
        return;
      case "tick-election":
        this.#tick(node(), 3);
        return;
      case "tick-heartbeat":
        this.#tick(node(), 1);
        return;
      case "set-randomized-election-timeout":
        node().core.state.randomizedElectionTicks = Number(value(found, "timeout"));
        return;
      case "log-level":
        this.#quiet = found.args[0]?.key.toLowerCase() === "none";
        return;
      case "raft-log":
        this.#print(node().describeLog(describeEntries));
        return;
      case "raft-state":
        this.#raftState();
        return;
      case "status":
        this.#print(describeProgressMap(node().core.state.tracker.progress));
        return;
      case "compact":
        node().storage.compact(ids[1] as number);
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
      default:
        throw new Error(`line ${found.line}: unknown command ${found.command}`);
    }
  }

  #addNodes(found: Case, count: number): void {
    const list = (key: string) => (values(found, key) ?? []).map(Number);
    const flag = (key: string) => value(found, key) === "true";
    const index = Number(value(found, "index") ?? 0);
    const numbers = (key: string, option: keyof RaftOptions) =>
      value(found, key) === undefined ? {} : { [option]: Number(value(found, key)) };
    const confState = { ...NO_MEMBERS, voters: list("voters"), learners: list("learners") };
    const data = new TextEncoder().encode(value(found, "content") ?? "");
    const bootstrap = index === 0 && confState.voters.length === 0 ? undefined : { index, term: 1, confState, data };
    for (let n = 0; n < count; n++) {
      const options = {
        electionTicks: 3,
        heartbeatTicks: 1,
        applied: index,
        preVote: flag("prevote"),
        checkQuorum: flag("checkquorum") || value(found, "read-only") === "lease-based",
        readMode: value(found, "read-only") === "lease-based" ? ("lease" as const) : ("safe" as const),
        asyncStorageWrites: flag("async-storage-writes"),
        forwardProposals: true,
        stepDownOnRemoval: flag("step-down-on-removal"),
        disableConfChangeValidation: flag("disable-conf-change-validation"),
        maxMessageBytes: Number.MAX_SAFE_INTEGER,
        maxInflightMessages: 2 ** 31 - 1,
        maxInflightBytes: 0,
        maxUncommittedBytes: Number.MAX_SAFE_INTEGER,
        maxApplyingBytes: Number.MAX_SAFE_INTEGER,
        ...numbers("inflight", "maxInflightMessages"),
        ...numbers("max-committed-size-per-ready", "maxApplyingBytes"),
      };
      this.#nodes.push(new ScriptNode(this.#nodes.length + 1, options, bootstrap));
    }
  }

  #proposeConfChange(found: Case, node: ScriptNode): void {
    const transition = (value(found, "transition") ?? "auto") as Transition;
    const change = { changes: parseChanges(found.input), transition, context: NO_DATA };
    this.#refused(node.core.proposeConfChange(change, { single: value(found, "v1") === "true" }));
  }

  #processReady(node: ScriptNode): void {
    const { ready, sent } = node.processReady((text) => this.#print(text), describeReady);
    this.#messages.push(...sent);
    if (ready) node.core.advance();
  }

  #processAppend(node: ScriptNode): void {
    const work = node.appendWork.shift();
    if (work === undefined) {
      this.#print("no append work to perform");
      return;
    }
    const { responses } = work;
    this.#print(`Processing:\n${describeMessage({ ...work, responses: [] })}\n`);
    node.append(work.term > 0 || work.vote > 0 || work.commit > 0 ? work : undefined, work.entries, work.snapshot);
    this.#print(`Responses:\n${responses.map((each) => `${describeMessage(each)}\n`).join("")}`);
    this.#messages.push(...responses);
  }

  #processApply(node: ScriptNode): void {
    const work = node.applyWork.shift();
    if (work === undefined) {
      this.#print("no apply work to perform");
      return;
    }
    const { responses } = work;
    this.#print(`Processing:\n${describeMessage({ ...work, responses: [] })}\n`);
    node.apply(work.entries);
    this.#print(`Responses:\n${responses.map((each) => `${describeMessage(each)}\n`).join("")}`);
    this.#messages.push(...responses);
  }

  #deliverCommand(found: Case, ids: readonly number[]): void {
    const type = value(found, "type");
    const drops = (values(found, "drop") ?? []).map(Number);
    let delivered = 0;
    for (const id of ids) delivered += this.#deliver(id, type, false);
    for (const id of drops) delivered += this.#deliver(id, type, true);
    if (delivered === 0) this.#print("no messages\n");
  }

  #deliver(to: number, type: string | undefined, drop: boolean): number {
    const taken = this.#queued(to, type, drop);
    this.#messages = this.#messages.filter((sent) => !taken.includes(sent));
    for (const sent of taken) {
      this.#print(`${drop ? "dropped: " : ""}${describeMessage(sent)}\n`);
      if (!drop) this.#refused(this.#node(to).core.step(sent));
    }
    return taken.length;
  }

  /** What is queued for a node; what it sends itself can't be dropped, it isn't sent at all. */
  #queued(to: number, type: string | undefined, drop: boolean): readonly Message[] {
    return this.#messages.filter(
      (sent) =>
        sent.to === to &&
        (type === undefined || MESSAGE_NAMES[sent.type] === type) &&
        !(drop && (sent.from === sent.to || isStorageTarget(sent.from))),
    );
  }

  #stabilizeCommand(found: Case, ids: readonly number[]): void {
    const level = value(found, "log-level");
    const before = this.#quiet;
    if (level !== undefined) this.#quiet = level.toLowerCase() === "none";
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
        ({ id }) => this.#queued(id, undefined, false).length > 0,
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
    this.#messages.push(sent);
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

const NO_MEMBERS = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

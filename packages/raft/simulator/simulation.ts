/**
 * A group in one process with everything about it going wrong: messages lost, doubled and reordered, partitions, crashes between any
 * two steps that lose what wasn't synced, members coming and going. One seed is one course of events, to the last step.
 */
import type { Transition } from "../src/conf-change.ts";
import type { RaftCore } from "../src/core.ts";
import { NO_DATA } from "../src/entry.ts";
import { InvariantBroken } from "../src/errors.ts";
import type { Message } from "../src/message.ts";
import type { RaftOptions } from "../src/options.ts";
import type { RaftState } from "../src/raft/state.ts";
import { Clients } from "./clients.ts";
import { Network } from "./network.ts";
import { type DriverBugs, SimulatedNode } from "./node.ts";
import { Random } from "./random.ts";
import { Broken, Referee } from "./referee.ts";

export interface SimulationOptions {
  readonly seed: number;
  /** Steps with faults. */
  readonly steps: number;
  /** Mistakes of the driver, or of the core by changing what it calls, to be found. */
  readonly bugs?: DriverBugs;
  readonly plant?: (core: RaftCore) => void;
  /** What goes wrong most; the seed says unless given. */
  readonly mood?: Mood;
  /** Settings of every node; the seed says unless given. */
  readonly settings?: Partial<Omit<RaftOptions, "id" | "storage" | "random" | "applied">>;
}

/** What goes wrong most: anything, leaders, or who is a member. */
export type Mood = "anything" | "elections" | "members";

export interface SimulationResult {
  readonly leaders: number;
  readonly commits: number;
  readonly operations: number;
  readonly crashes: number;
}

const NODES = 5;
/** Enough for hundreds of entries, one in a message, over a slow disk. */
const RECOVERY_STEPS = 400_000;
const FIRST_VOTERS = [1, 2, 3];

/** Runs a course of events. @throws Broken, when a promise was */
export function simulate(options: SimulationOptions): SimulationResult {
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #random: Random;
  readonly #referee = new Referee();
  readonly #network: Network;
  readonly #nodes: SimulatedNode[] = [];
  readonly #clients: Clients;
  readonly #terms = new Set<number>();
  /** How often what happens: seeds differ in what is slow and how much goes wrong. */
  #weights: Weights;
  readonly #mood: Mood;
  readonly #mustRecover: boolean;
  #now = 0;
  #crashes = 0;
  /** At each step of a Ready. */
  #crashRate: number;
  #commits = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    const random = new Random(options.seed);
    this.#random = random;
    this.#clients = new Clients(random);
    this.#network = new Network(random, (lost) => this.#lost(lost));
    this.#weights = weightsOf(random);
    this.#crashRate = random.pick([0.0005, 0.002, 0.01]) ?? 0;
    const mood = random.pick<Mood>(["anything", "elections", "members"]) ?? "anything";
    this.#mood = options.mood ?? mood;
    const preVote = random.chance(0.5);
    const checkQuorum = random.chance(preVote ? 0.8 : 0.3);
    const forwardProposals = random.chance(0.3);
    this.#mustRecover = preVote && checkQuorum;
    const shared = { preVote, checkQuorum, forwardProposals };
    const world = {
      random,
      referee: this.#referee,
      bugs: options.bugs ?? {},
      plant: options.plant ?? (() => undefined),
      snapshotEvery: 10 + random.below(60),
      events: {
        send: (sent: Message) => this.#network.send(sent),
        applied: (...event: Parameters<SimulatedNodeEvents["applied"]>) => {
          this.#commits = Math.max(this.#commits, event[1].index);
          this.#clients.applied(...event, this.#now);
        },
        readable: (...event: Parameters<SimulatedNodeEvents["readable"]>) =>
          this.#clients.readable(...event, this.#now),
      },
    };
    for (let id = 1; id <= NODES; id++) {
      const limits = {
        heartbeatTicks: 1 + random.below(2),
        asyncStorageWrites: random.chance(0.5),
        maxMessageBytes: random.pick([0, 100, 1_000, 1 << 20]) ?? 0,
        maxInflightMessages: 1 + random.below(8),
        maxInflightBytes: random.pick([0, 200]) ?? 0,
        maxApplyingBytes: random.pick([1, 200, 1 << 20]) ?? 1,
        maxUncommittedBytes: random.pick([200, 1 << 20]) ?? 1,
      };
      const node = new SimulatedNode(id, { ...shared, ...limits, ...options.settings }, world);
      if (FIRST_VOTERS.includes(id)) node.bootstrap(FIRST_SNAPSHOT);
      this.#nodes.push(node);
      node.start();
    }
  }

  run(): SimulationResult {
    try {
      for (let n = 0; n < this.#options.steps; n++) this.#step(true);
      this.#recover();
    } catch (error) {
      if (error instanceof InvariantBroken) throw new Broken("invariant", error.message);
      throw error;
    }
    this.#clients.check();
    const { completed } = this.#clients;
    return { leaders: this.#terms.size, commits: this.#commits, operations: completed, crashes: this.#crashes };
  }

  #step(faults: boolean): void {
    const random = this.#random;
    this.#now++;
    const weights = this.#weights;
    let dice = random.next() * weights.total;
    const falls = (weight: number) => {
      dice -= weight;
      return dice < 0;
    };
    if (falls(weights.deliver)) this.#deliver();
    else if (falls(weights.ready)) this.#some().processReady(this.#crashRate);
    else if (falls(weights.append)) this.#some().processAppend(this.#crashRate);
    else if (falls(weights.apply)) this.#some().processApply();
    else if (falls(weights.tick)) this.#some().core?.tick();
    else if (falls(weights.client)) this.#clients.begin(this.#someone(), this.#now);
    else if (faults) this.#fault();
    if (faults && random.chance(0.003)) this.#restart();
    if (this.#now % 50 === 0) this.#clients.giveUp(this.#now);
    if (this.#now % 97 === 0) this.#referee.compareLogs(this.#running());
    this.#watch();
  }

  #deliver(): void {
    const message = this.#network.take();
    if (message === undefined) return;
    const core = this.#nodes[message.to - 1]?.core;
    if (core === undefined) {
      this.#lost(message);
      return;
    }
    core.step(message);
    if (message.type === "snapshot") this.#nodes[message.from - 1]?.core?.reportSnapshot(message.to, true);
  }

  /** Whoever sent a snapshot has to be told that it is lost, or it waits; of other messages it may be told. */
  #lost({ type, from, to }: Message): void {
    const sender = this.#nodes[from - 1]?.core;
    if (type === "snapshot") sender?.reportSnapshot(to, false);
    else if (this.#random.chance(0.1)) sender?.reportUnreachable(to);
  }

  #fault(): void {
    const random = this.#random;
    const node = this.#some();
    const { core } = node;
    const dice = random.next();
    if (this.#mood === "elections" && random.chance(0.8)) this.#unseat();
    else if (this.#mood === "members" && random.chance(0.5)) this.#changeMembers(this.#someone().core);
    else if (dice < 0.15) this.#crash(node);
    else if (dice < 0.45) this.#restart();
    else if (dice < 0.55) this.#network.partition(this.#nodes.map(({ id }) => id).filter(() => random.chance(0.4)));
    else if (dice < 0.7) this.#network.heal();
    else if (dice < 0.75) this.#network.dropRate = random.next() * 0.3;
    else if (dice < 0.78) this.#network.doubleRate = random.next() * 0.2;
    else if (dice < 0.83) core?.campaign();
    else if (dice < 0.88) core?.transferLeadership(1 + random.below(NODES));
    else if (dice < 0.9) core?.forgetLeader();
    else this.#changeMembers(core);
  }

  /** Something that makes for another leader, or lets the last one come back. */
  #unseat(): void {
    const random = this.#random;
    const leaders = this.#nodes.filter(({ core }) => core?.state.role === "leader");
    const leader = random.pick(leaders);
    const dice = random.next();
    if (dice < 0.25 && leader !== undefined) this.#crash(leader);
    else if (dice < 0.5) this.#restart();
    else if (dice < 0.65) this.#network.partition(leaders.map(({ id }) => id));
    else if (dice < 0.75) this.#network.heal();
    else if (dice < 0.85) this.#network.appendDropRate = random.pick([0.5, 0.8, 0.9]) ?? 0;
    else this.#some().core?.campaign();
  }

  #changeMembers(core: RaftCore | undefined): void {
    const random = this.#random;
    const kinds = ["addVoter", "addVoter", "addLearner", "remove"] as const;
    const changes = Array.from({ length: random.below(4) }, () => ({
      kind: kinds[random.below(kinds.length)] ?? "addVoter",
      node: 1 + random.below(NODES),
    }));
    const transitions: readonly Transition[] = ["auto", "auto", "implicit", "explicit"];
    const transition = changes.length === 0 ? "auto" : (random.pick(transitions) ?? "auto");
    core?.proposeConfChange({ changes, transition, context: NO_DATA });
  }

  #crash(node: SimulatedNode): void {
    if (node.core === undefined) return;
    this.#crashes++;
    node.crash();
  }

  #restart(): void {
    const down = this.#random.pick(this.#nodes.filter(({ core }) => core === undefined));
    down?.start();
  }

  /** Faults end. A group whose members are all well has to come to a leader, and that to commit. */
  #recover(): void {
    this.#network.heal();
    this.#crashRate = 0;
    this.#weights = CALM;
    for (const node of this.#nodes) {
      if (node.core === undefined) node.start();
    }
    const before = this.#commits;
    const limit = this.#now + RECOVERY_STEPS;
    while (this.#now < limit) {
      for (let n = 0; n < 200; n++) this.#step(false);
      const leads = this.#running().some(({ role }) => role === "leader");
      if (leads && this.#commits > before + 3) return;
      // Without both, a node that was removed and hasn't heard of it may disturb the others for ever.
      if (!this.#mustRecover && this.#now > limit - RECOVERY_STEPS + this.#options.steps) return;
    }
    throw new Broken("liveness", `nothing was committed in ${RECOVERY_STEPS} steps without faults`);
  }

  #watch(): void {
    for (const { core } of this.#nodes) {
      if (core?.state.role !== "leader") continue;
      this.#terms.add(core.state.term);
      this.#referee.sawLeader(core.state);
    }
  }

  #running(): RaftState[] {
    return this.#nodes.flatMap(({ core }) => (core === undefined ? [] : [core.state]));
  }

  /** Whom a client turns to: mostly one that takes itself for the leader, sometimes anybody. */
  #someone(): SimulatedNode {
    const leaders = this.#nodes.filter(({ core }) => core?.state.role === "leader");
    return (this.#random.chance(0.7) ? this.#random.pick(leaders) : undefined) ?? this.#some();
  }

  #some(): SimulatedNode {
    return this.#nodes[this.#random.below(NODES)] as SimulatedNode;
  }
}

interface Weights {
  readonly deliver: number;
  readonly ready: number;
  readonly append: number;
  readonly apply: number;
  readonly tick: number;
  readonly client: number;
  readonly fault: number;
  readonly total: number;
}

function weightsOf(random: Random): Weights {
  const append = random.pick([2, 8, 8]) ?? 8;
  const apply = random.pick([3, 8, 8]) ?? 8;
  const tick = random.pick([6, 12, 20]) ?? 6;
  const fault = random.pick([0.5, 1, 2]) ?? 1;
  return { ...CALM, append, apply, tick, fault, total: 75 + append + apply + tick + fault };
}

const CALM: Weights = { deliver: 40, ready: 26, append: 8, apply: 8, tick: 6, client: 9, fault: 0, total: 97 };

type SimulatedNodeEvents = import("./node.ts").NodeEvents;

const FIRST_SNAPSHOT = {
  index: 2,
  term: 1,
  confState: { voters: FIRST_VOTERS, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
  data: NO_DATA,
};

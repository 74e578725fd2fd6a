/** A simulated member: the core, its disk, its state machine, and all the moments at which it may crash. */
import { confChangeOf } from "../src/conf-change.ts";
import { RaftCore } from "../src/core.ts";
import type { Entry } from "../src/entry.ts";
import { ConfChangeRefused } from "../src/errors.ts";
import type { ConfState, HardState, Message, Snapshot } from "../src/message.ts";
import type { RaftOptions } from "../src/options.ts";
import { Disk } from "./disk.ts";
import { Machine } from "./machine.ts";
import type { Random } from "./random.ts";
import type { Referee } from "./referee.ts";

/** Mistakes of whoever drives the core, planted to see that they are found. */
export interface DriverBugs {
  /** Sends what promises durability before anything is synced. */
  readonly sendsBeforeSync?: boolean;
  /** Takes term and vote for something that can be made out again, and doesn't write them. */
  readonly forgetsHardState?: boolean;
  /** Serves reads from its own state at once. */
  readonly readsLocally?: boolean;
}

/** What a node tells the world about. */
export interface NodeEvents {
  send(sent: Message): void;
  applied(node: SimulatedNode, entry: Entry, effective: boolean): void;
  readable(node: SimulatedNode, context: number, index: number): void;
}

/** Entries that stay in the log behind a snapshot, for followers that are a little behind. */
const KEPT_ENTRIES = 8;

export class SimulatedNode {
  readonly id: number;
  readonly disk = new Disk();
  core: RaftCore | undefined;
  machine = new Machine();
  readonly appendWork: Message[] = [];
  readonly applyWork: Message[] = [];
  readonly #options: Omit<RaftOptions, "id" | "storage" | "random">;
  readonly #random: Random;
  readonly #referee: Referee;
  readonly #events: NodeEvents;
  readonly #bugs: DriverBugs;
  readonly #snapshotEvery: number;
  readonly #plant: (core: RaftCore) => void;
  #confState: ConfState | undefined;

  constructor(
    id: number,
    options: Omit<RaftOptions, "id" | "storage" | "random">,
    world: {
      random: Random;
      referee: Referee;
      events: NodeEvents;
      bugs: DriverBugs;
      plant: (core: RaftCore) => void;
      snapshotEvery: number;
    },
  ) {
    this.id = id;
    this.#options = options;
    this.#random = world.random;
    this.#referee = world.referee;
    this.#events = world.events;
    this.#bugs = world.bugs;
    this.#plant = world.plant;
    this.#snapshotEvery = world.snapshotEvery;
  }

  /** Begins with a snapshot that all first members share. */
  bootstrap(snapshot: Snapshot): void {
    this.disk.write(undefined, [], snapshot);
    this.disk.sync();
  }

  start(): void {
    const { storage } = this.disk;
    const snapshot = storage.snapshot();
    this.machine = new Machine();
    if (snapshot !== undefined) {
      this.machine.restore(snapshot.data);
      this.machine.applied = snapshot.index;
      this.#confState = snapshot.confState;
    }
    const applied = Math.max(snapshot?.index ?? 0, storage.firstIndex() - 1);
    this.core = new RaftCore({ ...this.#options, id: this.id, storage, random: this.#random.next, applied });
    this.#plant(this.core);
  }

  crash(): void {
    this.core = undefined;
    this.appendWork.length = 0;
    this.applyWork.length = 0;
    this.disk.crash(this.#random);
  }

  get async(): boolean {
    return this.#options.asyncStorageWrites ?? false;
  }

  get readsLocally(): boolean {
    return this.#bugs.readsLocally ?? false;
  }

  /** Does what a Ready says, and may crash at each step of it. @param crashes how likely it is at each */
  processReady(crashes: number): void {
    const { core } = this;
    if (core === undefined || !core.hasReady) return;
    const ready = core.ready();
    for (const { context, index } of ready.readStates) this.#events.readable(this, context, index);
    const crashed = () => this.#crashes(crashes);
    if (this.async) {
      for (const sent of ready.messages) {
        if (sent.type === "storageAppend") this.appendWork.push(sent);
        else if (sent.type === "storageApply") this.applyWork.push(sent);
        else this.#events.send(sent);
      }
      crashed();
      return;
    }
    if (this.#bugs.sendsBeforeSync) {
      for (const sent of ready.messages) this.#events.send(sent);
    }
    this.#write(ready.hardState, ready.entries, ready.snapshot);
    if (crashed()) return;
    if (ready.mustSync || ready.snapshot !== undefined) this.disk.sync();
    if (crashed()) return;
    if (!this.#bugs.sendsBeforeSync) {
      for (const sent of ready.messages) this.#events.send(sent);
    }
    if (crashed()) return;
    this.#apply(core, ready.committedEntries);
    core.advance();
  }

  /** Does one job of the append thread. */
  processAppend(crashes: number): void {
    const work = this.appendWork.shift();
    if (work === undefined) return;
    const { term, vote, commit, responses } = work;
    const crashed = () => this.#crashes(crashes);
    if (this.#bugs.sendsBeforeSync) this.#answer(responses);
    this.#write(term > 0 ? { term, vote, commit } : undefined, work.entries, work.snapshot);
    if (crashed()) return;
    if (responses.length > 0) this.disk.sync();
    if (crashed()) return;
    if (!this.#bugs.sendsBeforeSync) this.#answer(responses);
  }

  processApply(): void {
    const work = this.applyWork.shift();
    if (work === undefined || this.core === undefined) return;
    this.#apply(this.core, work.entries);
    this.#answer(work.responses);
  }

  #crashes(probability: number): boolean {
    if (!this.#random.chance(probability)) return false;
    this.crash();
    return true;
  }

  #answer(responses: readonly Message[]): void {
    for (const response of responses) {
      if (response.to === this.id) this.core?.step(response);
      else this.#events.send(response);
    }
  }

  #write(hardState: HardState | undefined, entries: readonly Entry[], snapshot: Snapshot | undefined): void {
    this.disk.write(this.#bugs.forgetsHardState ? undefined : hardState, entries, snapshot);
    if (snapshot === undefined) return;
    this.machine.restore(snapshot.data);
    this.machine.applied = snapshot.index;
    this.#confState = snapshot.confState;
    this.#referee.sawState(this.id, this.machine);
  }

  #apply(core: RaftCore, entries: readonly Entry[]): void {
    this.#referee.sawCommitted(this.id, entries);
    for (const entry of entries) {
      // A snapshot may have overtaken what was handed out before it came.
      if (entry.index <= this.machine.applied) continue;
      const effective = this.machine.apply(entry);
      const change = confChangeOf(entry);
      if (change !== undefined) {
        try {
          this.#confState = core.applyConfChange(change);
        } catch (error) {
          if (!(error instanceof ConfChangeRefused)) throw error;
        }
      }
      this.#referee.sawState(this.id, this.machine);
      this.#events.applied(this, entry, effective);
      // After a change of members at any rate: a new one can't use a snapshot that doesn't name it.
      if (entry.index % this.#snapshotEvery === 0 || change !== undefined) this.#keepSnapshot(entry);
    }
  }

  #keepSnapshot({ index, term }: Entry): void {
    const confState = this.#confState;
    // What isn't on disk yet can't be compacted away.
    if (confState === undefined || index > this.disk.storage.lastIndex()) return;
    const snapshot = { index, term, confState, data: this.machine.save() };
    this.disk.keep(snapshot, Math.max(index - KEPT_ENTRIES, this.disk.storage.firstIndex() - 1));
  }
}

/** A node of a script: the core, a log in memory, and a state machine that strings entries together. */
import { confChangeOf } from "../src/conf-change.ts";
import { RaftCore } from "../src/core.ts";
import type { Entry } from "../src/entry.ts";
import { EMPTY_SNAPSHOT, type HardState, type Message, type Snapshot } from "../src/message.ts";
import type { RaftOptions } from "../src/options.ts";
import type { Ready } from "../src/ready.ts";
import { MemoryStorage } from "../src/storage.ts";

/** Its snapshot is always the latest applied state. */
class ScriptStorage extends MemoryStorage {
  latest: Snapshot = EMPTY_SNAPSHOT;

  override snapshot(): Snapshot {
    return this.latest;
  }
}

export class ScriptNode {
  readonly id: number;
  readonly core: RaftCore;
  readonly storage = new ScriptStorage();
  readonly appendWork: Message[] = [];
  readonly applyWork: Message[] = [];
  readonly #async: boolean;

  constructor(id: number, options: Omit<RaftOptions, "id" | "storage" | "random">, bootstrap: Snapshot | undefined) {
    this.id = id;
    this.#async = options.asyncStorageWrites ?? false;
    if (bootstrap !== undefined) {
      this.storage.applySnapshot(bootstrap);
      this.storage.latest = bootstrap;
    }
    this.core = new RaftCore({ ...options, id, storage: this.storage, random: () => 0.99 });
  }

  snapshot(): Snapshot {
    return this.storage.latest;
  }

  /** Returns what was sent, and whether `advance()` is due. */
  processReady(print: (text: string) => void, describe: (ready: Ready) => string): { ready: boolean; sent: Message[] } {
    const ready = this.core.ready();
    print(describe(ready));
    const sent: Message[] = [];
    if (!this.#async) {
      this.append(ready.hardState, ready.entries, ready.snapshot);
      this.apply(ready.committedEntries);
    }
    for (const each of ready.messages) {
      if (each.type === "storageAppend") this.appendWork.push(each);
      else if (each.type === "storageApply") this.applyWork.push(each);
      else sent.push(each);
    }
    return { ready: !this.#async, sent };
  }

  append(hardState: HardState | undefined, entries: readonly Entry[], snapshot: Snapshot | undefined): void {
    if (hardState !== undefined) {
      const { term, vote, commit } = hardState;
      this.storage.setHardState({ term, vote, commit });
    }
    if (snapshot !== undefined) {
      this.storage.applySnapshot(snapshot);
      this.storage.latest = snapshot;
    }
    this.storage.append(entries);
  }

  apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const change = confChangeOf(entry);
      const { latest } = this.storage;
      const confState = change === undefined ? latest.confState : this.core.applyConfChange(change);
      const added = change === undefined ? entry.data : change.context;
      const data = new Uint8Array([...latest.data, ...added]);
      this.storage.latest = { index: entry.index, term: entry.term, confState, data };
    }
  }

  describeLog(describe: (entries: readonly Entry[]) => string): string {
    const first = this.storage.firstIndex();
    const last = this.storage.lastIndex();
    if (last < first) return `log is empty: first index=${first}, last index=${last}`;
    return describe(this.storage.entries(first, last + 1, Number.MAX_SAFE_INTEGER) ?? []);
  }
}

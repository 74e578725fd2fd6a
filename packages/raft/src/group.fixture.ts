/** A group in memory whose messages all arrive, unless a test holds them back. */
import { confChangeOf } from "./conf-change.ts";
import { RaftCore } from "./core.ts";
import { EMPTY_CONF_STATE, type Message } from "./message.ts";
import type { RaftOptions } from "./options.ts";
import type { ReadState } from "./raft/state.ts";
import { MemoryStorage } from "./storage.ts";

export type Settings = Partial<Omit<RaftOptions, "id" | "storage">>;

export class Member {
  readonly id: number;
  readonly storage = new MemoryStorage();
  readonly core: RaftCore;
  readonly applied: string[] = [];
  readonly reads: ReadState[] = [];

  constructor(id: number, voters: readonly number[], settings: Settings) {
    this.id = id;
    const confState = { ...EMPTY_CONF_STATE, voters };
    if (voters.length > 0) this.storage.applySnapshot({ index: 1, term: 1, confState, data: new Uint8Array(0) });
    const applied = voters.length > 0 ? 1 : 0;
    this.core = new RaftCore({ random: () => 0, applied, ...settings, id, storage: this.storage });
  }

  /** Does all there is to do, and returns what is to be sent. */
  work(): Message[] {
    const sent: Message[] = [];
    while (this.core.hasReady) {
      const ready = this.core.ready();
      if (ready.snapshot !== undefined) this.storage.applySnapshot(ready.snapshot);
      this.storage.append(ready.entries);
      if (ready.hardState !== undefined) this.storage.setHardState(ready.hardState);
      sent.push(...ready.messages);
      this.reads.push(...ready.readStates);
      for (const entry of ready.committedEntries) {
        const change = confChangeOf(entry);
        if (change !== undefined) this.core.applyConfChange(change);
        else if (entry.data.length > 0) this.applied.push(new TextDecoder().decode(entry.data));
      }
      this.core.advance();
    }
    return sent;
  }
}

export class Group {
  readonly members: readonly Member[];

  constructor(voters: readonly number[], settings: Settings = {}, size = voters.length) {
    this.members = Array.from(
      { length: size },
      (_, n) => new Member(n + 1, voters.includes(n + 1) ? voters : [], settings),
    );
  }

  member(id: number): Member {
    const found = this.members[id - 1];
    if (found === undefined) throw new Error(`no member ${id}`);
    return found;
  }

  /** Works and delivers until nothing is left. @param passes which messages arrive */
  settle(passes: (message: Message) => boolean = () => true): void {
    for (let sent = this.#work(); sent.length > 0; sent = this.#work()) {
      for (const message of sent) {
        if (passes(message)) this.member(message.to).core.step(message);
      }
    }
  }

  /** Makes a member the leader. */
  elect(id: number): Member {
    this.member(id).core.campaign();
    this.settle();
    return this.member(id);
  }

  #work(): Message[] {
    return this.members.flatMap((member) => member.work());
  }
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

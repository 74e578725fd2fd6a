/**
 * Consumer groups: named, durable cursors on a lane's log, in `groups/<lane>/<group>`. A group is one consumer, or
 * several that agree on who takes what; the log keeps what the slowest group has not passed (see `retention.ts`).
 */
import { readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { EscError } from "@esc/events";
import { CursorFile, type CursorState } from "./cursor-file.ts";
import { groupsDirectory } from "./data-directory.ts";

/** Letters, digits, `.`, `_` and `-`, up to 64, beginning with a letter or digit: a file's name everywhere. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** What a cursor that is being written lies in beside the group's. */
const UNFINISHED = ".new";

export interface ConsumerGroupsOptions {
  readonly dataDir: string;
  readonly lane: string;
  /** Groups of the lane at most; 64 unless given. Each keeps the log from being deleted, so there are not any number. */
  readonly maxGroups?: number;
}

/** A group and how far it has come. */
export interface GroupState {
  readonly group: string;
  readonly cursor: CursorState;
}

/** The groups of one lane. One process at a time, the owner of the data directory's lock, makes and moves them. */
export class ConsumerGroups {
  readonly #dir: string;
  readonly #options: ConsumerGroupsOptions;

  constructor(options: ConsumerGroupsOptions) {
    this.#options = options;
    this.#dir = join(groupsDirectory(options.dataDir), options.lane);
  }

  /**
   * The cursor of a group, which is made, and written durably, when there is none of that name.
   * @param startAt sequence that a new group begins at.
   * @throws EscError `ESC_GROUP_NAME`, `ESC_GROUP_LIMIT`.
   */
  async open(group: string, startAt: number): Promise<CursorFile> {
    checkName(group);
    const names = this.names();
    const cursor = new CursorFile(join(this.#dir, group));
    if (names.includes(group)) return cursor;
    const { maxGroups = 64, lane } = this.#options;
    if (names.length >= maxGroups) {
      throw new EscError(
        "ESC_GROUP_LIMIT",
        `${lane} has its ${maxGroups} consumer groups already. Delete one, or raise storage.max_groups.`,
      );
    }
    await cursor.write(startAt);
    return cursor;
  }

  /** Names of the groups, in order. */
  names(): string[] {
    try {
      return readdirSync(this.#dir)
        .filter((name) => NAME.test(name) && !name.endsWith(UNFINISHED))
        .sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }

  /** Every group and how far it has come. */
  async list(): Promise<GroupState[]> {
    const read = async (group: string) => ({ group, cursor: await new CursorFile(join(this.#dir, group)).read() });
    return await Promise.all(this.names().map(read));
  }

  /** Takes a group away: it keeps nothing of the log any more. One that isn't there is none to take away. */
  async delete(group: string): Promise<void> {
    checkName(group);
    await rm(join(this.#dir, group), { force: true });
  }
}

/** Events that a consumer has still to come to: 0 when it is up to date, the whole log where its cursor is broken. */
export function lagOf(cursor: CursorState, firstSequence: number, nextSequence: number): number {
  const at = cursor.kind === "known" ? cursor.nextSequence : firstSequence;
  return Math.max(0, nextSequence - Math.max(at, firstSequence));
}

/**
 * The earliest sequence that some cursor has still to come to: what retention goes by. One that is broken, or hasn't
 * been written yet, keeps everything.
 */
export function earliest(cursors: readonly CursorState[]): number | undefined {
  if (cursors.length === 0) return undefined;
  return Math.min(...cursors.map((cursor) => (cursor.kind === "known" ? cursor.nextSequence : 1)));
}

function checkName(group: string): void {
  if (NAME.test(group) && !group.endsWith(UNFINISHED)) return;
  throw new EscError(
    "ESC_GROUP_NAME",
    `"${group}" is no name for a consumer group: take up to 64 letters, digits, dots, dashes and underscores, a letter or digit first.`,
  );
}

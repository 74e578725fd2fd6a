/**
 * Dead letters for people: list, show, retry, purge. One at a time per data directory: the server's main thread, or the
 * command line while there is no server.
 *
 * A retry puts the event into its lane again exactly once: that it is about to is durable before, that it did after. If
 * the process ends in between, the lane's log tells which it was.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { LaneName } from "@esc/events";
import { EscError, encodeMetadata, LANE_NAMES, Priority, type PriorityName, Source, TopicPattern } from "@esc/events";
import type { RecordInput } from "@esc/queues";
import {
  applyRetention,
  DEAD_LETTERS,
  type DeadLetter,
  decodeDeadLetter,
  LogReader,
  listSegments,
  logDirectory,
  type RecordView,
} from "@esc/storage";
import { EventKey, metadataNumber } from "../lane/handled-event.ts";
import { DeadLetterMarks, type LetterState } from "./dead-letter-marks.ts";
import { WINDOW_TOPIC } from "./dead-letters.ts";

/** A dead letter as it is listed. */
export interface LetterSummary extends DeadLetter {
  /** Its own sequence, among dead letters: what it is named by. */
  readonly number: number;
  readonly state: LetterState;
  readonly topic: string;
  readonly priority: PriorityName;
  /** When the event was received, ms since the epoch. */
  readonly receivedMs: number;
  /** In hex, where it has one. */
  readonly id: string | undefined;
  readonly payloadBytes: number;
}

/** A dead letter as it is shown: the whole event. */
export interface Letter extends LetterSummary {
  readonly payload: Uint8Array;
  /** The event's own. */
  readonly metadata: ReadonlyMap<string, Uint8Array>;
}

/** Which dead letters. Those that wait, unless `all` is said. */
export interface LetterQuery {
  /** By their numbers. */
  readonly numbers?: readonly number[];
  readonly topic?: string;
  readonly reason?: string;
  readonly lane?: string;
  /** Those behind this number only. */
  readonly after?: number;
  /** At most so many, 1 to 10,000; 100 unless given. */
  readonly limit?: number;
  readonly all?: boolean;
}

export interface LetterPage {
  readonly letters: readonly LetterSummary[];
  /** There may be more behind this number: ask with `after`. */
  readonly next: number | undefined;
}

/** Where retried events go. */
export interface Reentry {
  /** Sequence of the lane's next event, or an earlier one. */
  nextSequence(lane: LaneName): number;
  /** Puts an event into its lane. @returns false when it can't be put there now; it may be asked again for some time. */
  append(lane: LaneName, event: RecordInput): boolean | Promise<boolean>;
  /** Resolves once everything appended is durable. */
  settle(lane: LaneName): Promise<void> | void;
}

export interface RetryResult {
  readonly retried: readonly number[];
  /** With why not. */
  readonly refused: readonly { readonly number: number; readonly why: string }[];
}

export const MOST_LETTERS = 10_000;
/** Records that one page looks at, so that a filter over a long log gives the thread back. */
const SCAN = 100_000;
/** Retried together: two syncs of the marks and one of the lane for all of them. */
const GROUP = 256;

export class DeadLetterBook implements Disposable {
  readonly #dataDir: string;
  readonly #dir: string;
  readonly #marks: DeadLetterMarks;
  #busy: Promise<unknown> = Promise.resolve();

  /**
   * Opens the book; decides what became of retries that the end of a process interrupted. Before events go into the lanes.
   * @throws the system's error when its files can't be read.
   */
  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#dir = logDirectory(dataDir, DEAD_LETTERS);
    this.#marks = new DeadLetterMarks(`${dataDir}/${DEAD_LETTERS}`);
    this.#resolve();
  }

  /** A page of dead letters, oldest first. @throws EscError `ESC_DLQ_QUERY`. */
  list(query: LetterQuery): LetterPage {
    const { limit = 100, all = false, numbers } = query;
    const after = Math.max(query.after ?? 0, numbers === undefined ? 0 : Math.min(...numbers) - 1);
    const most = numbers === undefined ? Number.POSITIVE_INFINITY : Math.max(...numbers);
    const pattern = query.topic === undefined ? undefined : new TopicPattern(query.topic);
    if (!(Number.isInteger(limit) && limit >= 1 && limit <= MOST_LETTERS)) {
      throw new EscError("ESC_DLQ_QUERY", `limit takes a whole number from 1 to ${MOST_LETTERS}.`);
    }
    const wanted = numbers && new Set(numbers);
    const letters: LetterSummary[] = [];
    let last = after;
    let scanned = 0;
    for (const view of this.#read(Math.max(after + 1, all ? 1 : this.#marks.firstOpen(after + 1)))) {
      last = view.sequence;
      if (last > most) break;
      if (++scanned > SCAN) return { letters, next: last - 1 };
      if (wanted !== undefined && !wanted.has(last)) continue;
      const state = this.#marks.state(last);
      if (!all && state !== "waiting") continue;
      if (pattern !== undefined && !pattern.matches(view.topic)) continue;
      const letter = summaryOf(view, state);
      if (letter === undefined) continue;
      if (query.reason !== undefined && letter.reason !== query.reason) continue;
      if (query.lane !== undefined && letter.lane !== query.lane) continue;
      if (letters.length === limit) return { letters, next: letters.at(-1)?.number };
      letters.push(letter);
    }
    return { letters, next: undefined };
  }

  /** One dead letter, whole; undefined when there is none of that number. */
  show(number: number): Letter | undefined {
    for (const view of this.#read(number)) {
      if (view.sequence !== number) return undefined;
      const summary = summaryOf(view, this.#marks.state(number));
      const decoded = decodeDeadLetter(view.metadata);
      if (summary === undefined || decoded === undefined) return undefined;
      return { ...summary, payload: Uint8Array.from(view.payload), metadata: decoded.own };
    }
    return undefined;
  }

  /** Puts those that wait into their lanes once more. What was retried or purged before is refused. */
  retry(query: LetterQuery, reentry: Reentry): Promise<RetryResult> {
    return this.#alone(async () => {
      const chosen = await this.#choose(query);
      const retried: number[] = [];
      const refused = [...chosen.refused];
      for (const lane of LANE_NAMES) {
        const ofLane = chosen.numbers.filter((letter) => letter.lane === lane).map(({ number }) => number);
        for (let at = 0; at < ofLane.length; at += GROUP) {
          const group = ofLane.slice(at, at + GROUP);
          const done = await this.#retryGroup(lane, group, reentry);
          retried.push(...done);
          for (const number of group) if (!done.includes(number)) refused.push({ number, why: "its lane has no room" });
        }
      }
      return { retried: retried.sort((a, b) => a - b), refused };
    });
  }

  /** Those that wait are gone for good; files that hold no other dead letters are deleted. */
  purge(query: LetterQuery): Promise<{ readonly purged: readonly number[] }> {
    return this.#alone(async () => {
      const purged = (await this.#list(query)).map(({ number }) => number);
      if (purged.length > 0) this.#marks.markPurged(purged);
      await this.#deleteFiles();
      return { purged };
    });
  }

  [Symbol.dispose](): void {
    this.#marks[Symbol.dispose]();
  }

  /** One after the other: two retries at once would both find the same dead letter waiting. */
  #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#busy.then(work, work);
    this.#busy = result.catch(() => undefined);
    return result;
  }

  *#read(from: number): Generator<RecordView> {
    using reader = new LogReader({ dir: this.#dir, fromSequence: from, bufferBytes: 1 << 18 });
    yield* reader;
  }

  /** All that a query names, over as many pages as it takes. */
  async #list(query: LetterQuery): Promise<LetterSummary[]> {
    const limit = query.limit ?? MOST_LETTERS;
    const letters: LetterSummary[] = [];
    for (let after = query.after ?? 0; letters.length < limit; ) {
      const page = this.list({ ...query, after, limit: Math.min(MOST_LETTERS, limit - letters.length) });
      letters.push(...page.letters);
      if (page.next === undefined) break;
      after = page.next;
      // The thread has other things to do as well.
      await nextTurn();
    }
    return letters;
  }

  async #choose(query: LetterQuery): Promise<{ numbers: LetterSummary[]; refused: { number: number; why: string }[] }> {
    const letters = await this.#list(query);
    const found = new Set(letters.map(({ number }) => number));
    const refused = (query.numbers ?? [])
      .filter((number) => !found.has(number))
      .map((number) => ({ number, why: this.#whyNot(number) }));
    const events = letters.filter(({ topic, lane, number }) => {
      const why = topic.startsWith(WINDOW_TOPIC)
        ? "it is a window's result and no event"
        : (LANE_NAMES as readonly string[]).includes(lane)
          ? undefined
          : `there is no lane "${lane}"`;
      if (why !== undefined) refused.push({ number, why });
      return why === undefined;
    });
    return { numbers: events, refused };
  }

  #whyNot(number: number): string {
    const state = this.#marks.state(number);
    if (state === "waiting") return "there is no such dead letter, or it isn't among those asked for";
    return state === "retrying" ? "it is being retried" : `it was ${state} before`;
  }

  async #retryGroup(lane: LaneName, group: readonly number[], reentry: Reentry): Promise<number[]> {
    this.#marks.markRetrying(group, { lane, from: reentry.nextSequence(lane) });
    const done: number[] = [];
    const wanted = new Set(group);
    for (const view of this.#read(group[0] as number)) {
      if (done.length === group.length) break;
      if (!wanted.has(view.sequence)) continue;
      if (!(await reentry.append(lane, eventOf(view)))) break;
      done.push(view.sequence);
    }
    const left = group.filter((number) => !done.includes(number));
    if (left.length > 0) this.#marks.markWaiting(left);
    if (done.length === 0) return done;
    await reentry.settle(lane);
    this.#marks.markRetried(done);
    return done;
  }

  /** What a process was about to retry when it ended: the lane's log tells whether it did. */
  #resolve(): void {
    const { retrying } = this.#marks;
    for (const lane of new Set([...retrying.values()].map((attempted) => attempted.lane))) {
      const open = [...retrying].filter(([, attempted]) => attempted.lane === lane);
      const there = new Set<number>();
      using reader = new LogReader({
        dir: logDirectory(this.#dataDir, lane),
        fromSequence: Math.min(...open.map(([, { from }]) => from)),
      });
      for (const view of reader) {
        const number = view.hasMetadata ? metadataNumber(view.metadata, EventKey.retried) : undefined;
        if (number !== undefined) there.add(number);
      }
      const numbers = open.map(([number]) => number);
      const [done, left] = [numbers.filter((one) => there.has(one)), numbers.filter((one) => !there.has(one))];
      if (done.length > 0) this.#marks.markRetried(done);
      if (left.length > 0) this.#marks.markWaiting(left);
    }
  }

  async #deleteFiles(): Promise<void> {
    const first = listSegments(this.#dir)[0]?.firstSequence;
    if (first === undefined) return;
    const cursor = this.#marks.firstOpen(first);
    // Every file whose dead letters are all dealt with, but for the last one, which is being written.
    const result = await applyRetention({
      dir: this.#dir,
      policy: { maxRecords: 0 },
      nextSequence: Number.MAX_SAFE_INTEGER,
      cursor,
      nowMs: Date.now(),
    });
    if (result.segments > 0) this.#marks.dropBefore(result.firstSequence);
  }
}

function summaryOf(view: RecordView, state: LetterState): LetterSummary | undefined {
  const decoded = decodeDeadLetter(view.metadata);
  if (decoded === undefined) return undefined;
  const { id } = view;
  return {
    number: view.sequence,
    state,
    topic: view.topic,
    priority: view.priority,
    receivedMs: view.timeMs,
    id: id && Buffer.from(id).toString("hex"),
    payloadBytes: view.payload.length,
    ...decoded.letter,
  };
}

/** The event that a dead letter was, with which one it was and why. */
function eventOf(view: RecordView): RecordInput {
  const decoded = decodeDeadLetter(view.metadata);
  const own = [...(decoded?.own ?? [])].filter(([key]) => key !== EventKey.retried && key !== EventKey.retriedReason);
  const marks: [string, Uint8Array][] = [
    [EventKey.retried, Buffer.from(String(view.sequence))],
    [EventKey.retriedReason, Buffer.from(decoded?.letter.reason ?? "")],
  ];
  return {
    topic: Uint8Array.from(view.topicBytes),
    payload: Uint8Array.from(view.payload),
    priority: Priority[view.priority],
    source: Source[view.source],
    timeMs: view.timeMs,
    timeNs: view.timeNs,
    id: view.id && Uint8Array.from(view.id),
    metadata: encodeMetadata([...marks, ...own]),
  };
}

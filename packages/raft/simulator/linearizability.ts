/**
 * Whether a history of concurrent operations could have come from one register, each operation at one moment between its call and
 * its return (Wing and Gong's search, with Lowe's memory of where it has been).
 */

/** Acts on a state: returns the state after it, or undefined when the operation can't have had its outcome there. */
export interface Operation<S> {
  readonly call: number;
  /** Infinity for one that was never answered: it may take effect at any time, or never. */
  readonly end: number;
  readonly apply: (state: S) => S | undefined;
}

/** The one thing that the events of a history are: an operation is called, or it returns. */
interface Event {
  readonly operation: number;
  readonly isCall: boolean;
  previous: Event | undefined;
  next: Event | undefined;
  /** Of a call: the event of its return. */
  match: Event | undefined;
}

/** @param keyOf tells states apart; equal keys mean equal states. */
export function isLinearizable<S>(
  operations: readonly Operation<S>[],
  initial: S,
  keyOf: (state: S) => string,
): boolean {
  const head = eventsOf(operations);
  const visited = new Visited(operations.length);
  const taken: { readonly call: Event; readonly state: S }[] = [];
  /** What has returned must be placed; what never returned need not be. */
  let mustPlace = operations.filter(({ end }) => end !== Number.POSITIVE_INFINITY).length;
  let state = initial;
  let at = head.next;
  while (mustPlace > 0) {
    if (at === undefined) return false;
    if (at.isCall) {
      const operation = operations[at.operation] as Operation<S>;
      const after = operation.apply(state);
      if (after !== undefined && visited.place(at.operation, keyOf(after))) {
        taken.push({ call: at, state });
        state = after;
        if (operation.end !== Number.POSITIVE_INFINITY) mustPlace--;
        lift(at);
        at = head.next;
      } else {
        at = at.next;
      }
      continue;
    }
    // An operation returns here and isn't placed yet: the last one placed was a wrong guess. (Those that never returned are behind
    // all that did.)
    const last = taken.pop();
    if (last === undefined) return false;
    const { operation } = last.call;
    visited.toggle(operation);
    if (operations[operation]?.end !== Number.POSITIVE_INFINITY) mustPlace++;
    state = last.state;
    unlift(last.call);
    at = last.call.next;
  }
  return true;
}

/** Which operations are placed, and all pairs of such a set and a state that the search has been at. */
class Visited {
  readonly #placed: Uint32Array;
  readonly #seen = new Map<number, { readonly placed: Uint32Array; readonly state: number }[]>();
  /** States by number: their keys may be long, and are compared once each. */
  readonly #states = new Map<string, number>();
  /** Of the set alone, kept as it changes. */
  #hash = 0;

  constructor(operations: number) {
    this.#placed = new Uint32Array(Math.ceil(operations / 32));
  }

  /** Places an operation. Returns false, and doesn't, when this set of operations and this state were met before. */
  place(operation: number, key: string): boolean {
    this.toggle(operation);
    const state = this.#states.get(key) ?? this.#states.size;
    if (state === this.#states.size) this.#states.set(key, state);
    const hash = this.#hash ^ mixed(state);
    const bucket = this.#seen.get(hash);
    if (bucket === undefined) {
      this.#seen.set(hash, [{ placed: this.#placed.slice(), state }]);
      return true;
    }
    if (bucket.some((known) => known.state === state && equal(known.placed, this.#placed))) {
      this.toggle(operation);
      return false;
    }
    bucket.push({ placed: this.#placed.slice(), state });
    return true;
  }

  /** Takes an operation into the set, or out of it. */
  toggle(operation: number): void {
    const word = operation >>> 5;
    this.#placed[word] = (this.#placed[word] as number) ^ (1 << (operation & 31));
    this.#hash ^= mixed(-operation - 1);
  }
}

/** Spreads a number over 32 bits. */
function mixed(n: number): number {
  let bits = Math.imul(n + 1, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 15), 0x85ebca6b);
  return bits ^ (bits >>> 13);
}

function equal(a: Uint32Array, b: Uint32Array): boolean {
  for (let n = 0; n < a.length; n++) if (a[n] !== b[n]) return false;
  return true;
}

function eventsOf<S>(operations: readonly Operation<S>[]): Event {
  const events: { readonly time: number; readonly event: Event }[] = [];
  operations.forEach(({ call, end }, operation) => {
    const returned = { operation, isCall: false, previous: undefined, next: undefined, match: undefined };
    const called = { operation, isCall: true, previous: undefined, next: undefined, match: returned };
    events.push({ time: call, event: called }, { time: end, event: returned });
  });
  // At the same time, calls go first: then the two overlap.
  events.sort((a, b) => (a.time === b.time ? Number(b.event.isCall) - Number(a.event.isCall) : a.time - b.time));
  const head: Event = { operation: -1, isCall: true, previous: undefined, next: undefined, match: undefined };
  let last = head;
  for (const { event } of events) {
    last.next = event;
    event.previous = last;
    last = event;
  }
  return head;
}

/** Takes a call and its return out of the list; `unlift` puts them back, last one first. */
function lift(call: Event): void {
  for (const event of [call, call.match]) {
    if (event?.previous !== undefined) event.previous.next = event.next;
    if (event?.next !== undefined) event.next.previous = event.previous;
  }
}

function unlift(call: Event): void {
  for (const event of [call.match, call]) {
    if (event?.previous !== undefined) event.previous.next = event;
    if (event?.next !== undefined) event.next.previous = event;
  }
}

export type RegisterOutcome =
  | { readonly kind: "read"; readonly value: number | undefined }
  | { readonly kind: "write"; readonly value: number }
  | { readonly kind: "swap"; readonly from: number; readonly to: number; readonly done: boolean | undefined };

/** What an outcome says of a register that holds a number or nothing. A swap of unknown outcome may or may not have matched. */
export function registerStep(
  outcome: RegisterOutcome,
): (state: number | undefined) => { v: number | undefined } | undefined {
  return (state) => {
    if (outcome.kind === "read") return outcome.value === state ? { v: state } : undefined;
    if (outcome.kind === "write") return { v: outcome.value };
    const matches = state === outcome.from;
    if (outcome.done !== undefined && outcome.done !== matches) return undefined;
    return { v: matches ? outcome.to : state };
  };
}

export interface RegisterOperation {
  readonly call: number;
  readonly end: number;
  readonly outcome: RegisterOutcome;
}

export function isRegister(operations: readonly RegisterOperation[]): boolean {
  const steps = operations.map(({ call, end, outcome }) => {
    const act = registerStep(outcome);
    return { call, end, apply: (state: { v: number | undefined }) => act(state.v) };
  });
  return isLinearizable(steps, { v: undefined }, ({ v }) => String(v));
}

/**
 * Search over all states of a model: a stack of saved states, a set of those visited, and a graph of the steps between
 * them, in which a state from which no end can be reached is a livelock.
 *
 * A step is the next access to a word that another thread touches too (one of the two writing) and all that follows up
 * to the next such access: what only one thread touches can't be told apart by when it happens. Which words those are is
 * found by the search itself: it notes who reads and writes what, and begins anew when a word it took for a thread's own
 * turns out to be shared. The last run has found none.
 */

import { MAX_THREADS } from "./machine.mjs";
import { ExplorationError, timeline } from "./timeline.mjs";
import { Numbers, Visited } from "./visited.mjs";

/** Most choices that a state has: each thread runs, or flushes one of 8 stores. */
const MAX_CHOICES = MAX_THREADS * 9;
/** Choices of all states that are saved at a time. */
const CHOICES = 1 << 22;

/**
 * Depth first, which saves few states. With `breadth`, up to so many states breadth first instead: what it throws has a
 * schedule of as few steps as there can be.
 * @returns undefined when it must begin anew, or there are more states than `breadth`.
 */
export function search(machine, options, breadth = 0) {
  const { maxStates = 2_000_000 } = options;
  const visited = new Visited();
  const parents = new Numbers();
  const arrivals = new Numbers();
  const edges = new Numbers();
  const ends = new Numbers();
  const judge = new Judge(machine, options, (state, last) => {
    const steps = last === undefined ? [] : [last];
    for (let s = state; s > 0; s = parents.at(s)) steps.push(arrivals.at(s));
    return { schedule: steps.reverse(), states: visited.size };
  });
  let restartAt = Number.POSITIVE_INFINITY;

  judge.perform(0, undefined, () => machine.reset());
  machine.hash();
  visited.number(machine.words, machine.hashAt);
  parents.push(-1);
  arrivals.push(0);
  judge.check(0);

  // Saved states: number, where its copy lies, the next of its choices, the end of them. Depth first, the last is at hand
  // and is dropped after its last choice; breadth first, they are taken from the front.
  const choices = new Uint8Array(CHOICES);
  const states = [0];
  const copies = [machine.pool];
  const next = [0];
  const until = [machine.choices(choices, 0)];
  if (until[0] === 0) {
    ends.push(0);
    judge.checkEnd(0);
  }
  let free = machine.save(machine.pool);
  let saved = 1;
  let at = 0;
  let here = true;
  while (at >= 0 && at < saved) {
    if (next[at] === until[at]) {
      if (breadth > 0) at++;
      else {
        free = copies[at--];
        saved--;
      }
      here = false;
      continue;
    }
    if (!here) machine.restore(copies[at]);
    here = false;
    const from = states[at];
    const choice = choices[next[at]++];
    judge.perform(from, choice, () => machine.perform(choice));
    machine.hash();
    const before = visited.size;
    const state = visited.number(machine.words, machine.hashAt);
    edges.push(from);
    edges.push(state);
    if (visited.size === before) continue;
    parents.push(from);
    arrivals.push(choice);
    if (visited.size > maxStates) judge.tooMany(maxStates);
    judge.check(state);
    // Some more states, since where one shared word turned up, others will.
    if (machine.conflicts > 0) restartAt = Math.min(restartAt, visited.size * 2 + 500);
    if (visited.size > (breadth || restartAt)) return undefined;
    const first = until[saved - 1];
    if (first + MAX_CHOICES > CHOICES) judge.tooMany(visited.size);
    const last = machine.choices(choices, first);
    if (last === first) {
      ends.push(state);
      judge.checkEnd(state);
      continue;
    }
    states[saved] = state;
    copies[saved] = free;
    next[saved] = first;
    until[saved] = last;
    free = machine.save(free);
    saved++;
    if (breadth === 0) {
      at = saved - 1;
      here = true;
    }
  }
  if (machine.conflicts > 0) return undefined;
  judge.livelock(withoutEnd(visited.size, edges, ends));
  return { states: visited.size, steps: edges.length / 2, ends: ends.length };
}

/** Says what is wrong with a state. */
class Judge {
  #machine;
  #options;
  #history;
  #view;
  #buffer;

  /** `history` gives the schedule that led to a state. */
  constructor(machine, options, history) {
    this.#machine = machine;
    this.#options = options;
    this.#history = history;
  }

  perform(state, choice, step) {
    try {
      step();
    } catch (error) {
      this.#fail("ESC_EXPLORE_TRAP", error, state, choice);
    }
  }

  check(state) {
    const { check } = this.#options;
    if (!check) return;
    if (this.#buffer !== this.#machine.buffer) {
      this.#buffer = this.#machine.buffer;
      this.#view = this.#machine.view(true);
    }
    this.#machine.observe();
    try {
      check(this.#view, this.#machine.statuses);
    } catch (error) {
      this.#fail("ESC_EXPLORE_VIOLATION", error, state);
    }
  }

  checkEnd(state) {
    const { threads, checkEnd, blockedEnds = false } = this.#options;
    const { statuses } = this.#machine;
    if (!blockedEnds && statuses.includes("waiting")) {
      const who = threads
        .filter((_, thread) => statuses[thread] === "waiting")
        .map(([name, ...args]) => `${name}(${args.join(", ")})`);
      const text = `Deadlock: ${who.join(" and ")} sleeps and nobody is left to wake it`;
      this.#fail("ESC_EXPLORE_DEADLOCK", new Error(text), state);
    }
    try {
      checkEnd?.(this.#machine.view(false), statuses);
    } catch (error) {
      this.#fail("ESC_EXPLORE_VIOLATION", error, state);
    }
  }

  livelock(state) {
    if (state < 0) return;
    const text = "Livelock: from here on no schedule lets the threads finish";
    this.#fail("ESC_EXPLORE_LIVELOCK", new Error(text), state);
  }

  tooMany(states) {
    const text = `More than ${states} states: make the model smaller`;
    throw new ExplorationError("ESC_EXPLORE_STATES", new Error(text), [], states);
  }

  #fail(code, cause, state, last) {
    const { schedule, states } = this.#history(state, last);
    throw new ExplorationError(code, cause, timeline(this.#machine, this.#options, schedule), states);
  }
}

/** A state from which no end can be reached, -1 when there is none: a search backwards from the ends. */
function withoutEnd(states, edges, ends) {
  const offsets = new Int32Array(states + 1);
  for (let i = 1; i < edges.length; i += 2) offsets[edges.at(i) + 1]++;
  for (let s = 0; s < states; s++) offsets[s + 1] += offsets[s];
  const sources = new Int32Array(edges.length / 2);
  const filled = offsets.slice();
  for (let i = 0; i < edges.length; i += 2) sources[filled[edges.at(i + 1)]++] = edges.at(i);
  const reached = new Uint8Array(states);
  const queue = new Int32Array(states);
  let tail = 0;
  for (let i = 0; i < ends.length; i++) {
    reached[ends.at(i)] = 1;
    queue[tail++] = ends.at(i);
  }
  for (let head = 0; head < tail; head++) {
    for (let i = offsets[queue[head]]; i < offsets[queue[head] + 1]; i++) {
      if (reached[sources[i]]) continue;
      reached[sources[i]] = 1;
      queue[tail++] = sources[i];
    }
  }
  return reached.indexOf(0);
}

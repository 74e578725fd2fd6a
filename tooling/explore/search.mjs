/**
 * Depth-first search over all states of a model: a stack of saved states, a set of those visited, and a graph of the
 * steps between them, in which a state from which no end can be reached is a livelock.
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

export function search(machine, options) {
  const { threads, check, checkEnd, blockedEnds = false, maxStates = 2_000_000 } = options;
  const visited = new Visited();
  const parents = new Numbers();
  const arrivals = new Numbers();
  const edges = new Numbers();
  const ends = new Numbers();
  const choices = new Uint8Array(1 << 22);
  let buffer;
  let observed;
  let statuses;
  let restartAt = Number.POSITIVE_INFINITY;

  const schedule = (state, last) => {
    const steps = last === undefined ? [] : [last];
    for (let s = state; s > 0; s = parents.at(s)) steps.push(arrivals.at(s));
    return steps.reverse();
  };
  const fail = (code, state, last, cause) => {
    throw new ExplorationError(code, cause, timeline(machine, options, schedule(state, last)), visited.size);
  };
  const take = (state, choice) => {
    try {
      machine.perform(choice);
    } catch (error) {
      fail("ESC_EXPLORE_TRAP", state, choice, error);
    }
  };
  const inspect = (state) => {
    if (check) {
      if (buffer !== machine.buffer) {
        buffer = machine.buffer;
        observed = machine.view(true);
      }
      machine.observe();
      statuses = machine.statuses;
      try {
        check(observed, statuses);
      } catch (error) {
        fail("ESC_EXPLORE_VIOLATION", state, undefined, error);
      }
    }
    if (machine.conflicts > 0 && restartAt === Number.POSITIVE_INFINITY) restartAt = visited.size * 2 + 500;
  };
  const end = (state) => {
    ends.push(state);
    const all = machine.statuses;
    if (!blockedEnds && all.includes("waiting")) {
      const who = threads.filter((_, thread) => all[thread] === "waiting").map(([name, ...args]) => `${name}(${args})`);
      fail(
        "ESC_EXPLORE_DEADLOCK",
        state,
        undefined,
        new Error(`Deadlock: ${who.join(" and ")} sleeps and nobody is left to wake it`),
      );
    }
    try {
      checkEnd?.(machine.view(false), all);
    } catch (error) {
      fail("ESC_EXPLORE_VIOLATION", state, undefined, error);
    }
  };

  try {
    machine.reset();
  } catch (error) {
    fail("ESC_EXPLORE_TRAP", 0, undefined, error);
  }
  machine.hash();
  visited.number(machine.words, machine.hashAt);
  parents.push(-1);
  arrivals.push(0);
  inspect(0);

  // Frames lie in plain arrays by depth; a copy of a state lies behind that of the one it came from.
  let depth = 0;
  const states = [0];
  const copies = [machine.pool];
  const next = [0];
  const until = [machine.choices(choices, 0)];
  if (until[0] === 0) end(0);
  let free = machine.save(machine.pool);
  let here = true;
  while (depth >= 0) {
    if (next[depth] === until[depth]) {
      free = copies[depth];
      depth--;
      here = false;
      continue;
    }
    if (!here) machine.restore(copies[depth]);
    const from = states[depth];
    const choice = choices[next[depth]++];
    take(from, choice);
    here = false;
    machine.hash();
    const before = visited.size;
    const state = visited.number(machine.words, machine.hashAt);
    edges.push(from);
    edges.push(state);
    if (visited.size === before) continue;
    parents.push(from);
    arrivals.push(choice);
    if (visited.size > maxStates) {
      throw new ExplorationError(
        "ESC_EXPLORE_STATES",
        new Error(`More than ${maxStates} states: make the model smaller`),
        [],
        before,
      );
    }
    inspect(state);
    if (visited.size > restartAt) return undefined;
    const first = until[depth];
    if (first + MAX_CHOICES > choices.length) throw new Error(`A schedule of ${depth} steps: the model is too large`);
    const last = machine.choices(choices, first);
    if (last === first) {
      end(state);
      continue;
    }
    depth++;
    states[depth] = state;
    copies[depth] = free;
    next[depth] = first;
    until[depth] = last;
    free = machine.save(free);
    here = true;
  }
  if (machine.conflicts > 0) return undefined;
  const stuck = withoutEnd(visited.size, edges, ends);
  if (stuck >= 0) {
    fail(
      "ESC_EXPLORE_LIVELOCK",
      stuck,
      undefined,
      new Error("Livelock: from here on no schedule lets the threads finish"),
    );
  }
  return { states: visited.size, steps: edges.length / 2, ends: ends.length };
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

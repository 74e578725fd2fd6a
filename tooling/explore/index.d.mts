/** What a thread is doing: it can go on; has finished; sleeps in `wait`; has finished, but its store buffer isn't empty. */
export type ThreadStatus = "ready" | "done" | "waiting" | "ending";

/** A range of bytes of the model's memory, from … to (excluded), counted from its base; multiples of 4. */
export type Range = readonly [from: number, to: number];

/** The model's memory, from its base. Little-endian unless told otherwise, as WebAssembly's memory is. */
export interface ModelView extends DataView {
  /** A u64 below 2^53. */
  getNumber64(at: number): number;
}

/** A bug to compile into the model: `from` must occur exactly once in `file`. */
export interface Plant {
  /** As the package sees it, `assembly/ring.ts`, or `node_modules/@esc/events/assembly/record.ts`. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface ExploreOptions {
  /** The AssemblyScript file. It exports `setup(base, …)` and a function for each thread program. */
  readonly model: URL | string;
  readonly plant?: Plant | undefined;
  /** Memory behind `base` that the model may touch; a multiple of 8 up to 65536. */
  readonly memoryBytes: number;
  /** What `setup` gets behind `base`. */
  readonly setup?: readonly number[] | undefined;
  /** Name of each thread's program and what it gets behind `base`; up to 7 threads. */
  readonly threads: readonly (readonly [program: string, ...args: number[]])[];
  /**
   * Where plain stores go through a store buffer: seen by the own thread at once, by others at any time up to its next
   * atomic store, read-modify-write, wait or notify; in any order between different addresses.
   */
  readonly buffered?: Range | readonly Range[] | undefined;
  /** Where each plain access is a step of its own. Elsewhere those between two atomic operations are one step. */
  readonly splitPlain?: Range | readonly Range[] | undefined;
  /** Called in every state. Throws when the state can't be. May read a lot: it costs states when others write it. */
  readonly check?: ((view: ModelView, statuses: readonly ThreadStatus[]) => void) | undefined;
  /** Called where no thread can go on. Throws when that is no good end. */
  readonly checkEnd?: ((view: ModelView, statuses: readonly ThreadStatus[]) => void) | undefined;
  /** An end where a thread sleeps in `wait` is no deadlock; `checkEnd` decides. Default false. */
  readonly blockedEnds?: boolean | undefined;
  /** The limit that ends an exploration with an error. Default 2 million. */
  readonly maxStates?: number | undefined;
  /** Stack for each thread's suspended calls. Default 2048. */
  readonly stackBytes?: number | undefined;
}

export interface Exploration {
  /** Different states, the first one included. */
  readonly states: number;
  /** Steps between them. */
  readonly steps: number;
  /** States in which no thread can go on. */
  readonly ends: number;
}

export type ExplorationCode =
  | "ESC_EXPLORE_VIOLATION"
  | "ESC_EXPLORE_TRAP"
  | "ESC_EXPLORE_DEADLOCK"
  | "ESC_EXPLORE_LIVELOCK"
  | "ESC_EXPLORE_STATES";

/** Something is wrong, and this is how it comes about. The message holds the timeline. */
export declare class ExplorationError extends Error {
  readonly code: ExplorationCode;
  /** One line for each access to memory that threads share. */
  readonly timeline: readonly string[];
}

/**
 * Runs the model's threads in every order of their atomic steps, each state once.
 * @throws {ExplorationError} what a check throws, a trap, a deadlock, a livelock, or more than `maxStates` states.
 */
export declare function explore(options: ExploreOptions): Promise<Exploration>;

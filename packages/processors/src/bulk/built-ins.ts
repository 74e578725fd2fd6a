/**
 * Runs a lane's built-ins: each event that comes through the ring is looked at once, before anything else is done with it,
 * whatever becomes of it then. One kernel call for a run.
 */
import type { Arena } from "@esc/arena";
import { EscError } from "@esc/events";
import type { RecordShare } from "@esc/queues/kernel";
import type { AlertLevel } from "../alerts/alert.ts";
import { type BuiltIn, MAX_BUILT_INS } from "./built-in.ts";
import { BuiltInState } from "./built-in-state.ts";
import { type BulkKernel, bulkKernel } from "./bulk-kernel.ts";
import type { TopicRoutes } from "./topic-routes.ts";

export interface BuiltInsOptions {
  readonly arena: Arena;
  /** The lane, or its shard. */
  readonly name: string;
  /** Which of the lane's events are looked at; all of them unless given. */
  readonly share: RecordShare | undefined;
  readonly builtIns: readonly BuiltIn[];
  readonly routes: TopicRoutes;
  readonly alert: (level: AlertLevel, text: string) => void;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

export class BuiltIns {
  readonly #options: BuiltInsOptions;
  readonly #kernel: BulkKernel;
  readonly #state: BuiltInState;

  constructor(options: BuiltInsOptions) {
    const { arena, builtIns, name, routes, share } = options;
    if (builtIns.length > MAX_BUILT_INS) {
      throw new EscError("ESC_BUILTIN_INVALID", `A lane has up to ${MAX_BUILT_INS} built-ins, not ${builtIns.length}.`);
    }
    this.#options = options;
    this.#kernel = bulkKernel(arena);
    this.#state = BuiltInState.ensure(arena, name);
    this.#state.routes = routes.address;
    if (share !== undefined) this.#state.share = share.words;
    for (const [n, builtIn] of builtIns.entries()) this.#state.define(n, builtIn);
  }

  /** Looks at what of a run wasn't looked at before. @param runEnd the ring's position behind it. */
  observe(address: number, bytes: number, runEnd: number): void {
    const state = this.#state;
    const seen = state.position;
    if (seen >= runEnd) return;
    const end = address + bytes;
    let from = Math.max(address, end - (runEnd - seen));
    while (this.#kernel.observe(state.address, from, end) === 0) {
      const { routes } = this.#options;
      from = state.unknownAt;
      if (routes.learn(from)) continue;
      this.#kernel.applyBuiltIns(state.address, from, routes.planAt(from).builtIns);
      from += routes.bytesAt(from);
    }
    state.position = runEnd;
    if (state.exceeded !== 0) this.tell();
  }

  /** Raises the alerts that there are to raise now. */
  tell(): void {
    const { alert, builtIns, clock } = this.#options;
    const { exceeded } = this.#state;
    if (exceeded === 0) return;
    for (const [n, { name, above, everyMs, level }] of builtIns.entries()) {
      const told = (exceeded & (1 << n)) !== 0 ? this.#state.takeExceeded(n, everyMs, clock()) : undefined;
      if (told === undefined) continue;
      const { count, greatest, sequence } = told;
      alert(level, `${name}: ${count} values over ${above}, the greatest ${greatest} (event ${sequence})`);
    }
  }
}

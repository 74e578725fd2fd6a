/** A network that loses, doubles and reorders messages, and comes apart. */
import type { Message } from "../src/message.ts";
import type { Random } from "./random.ts";

/** More than that are not under way: the ones too many are lost, as in any full buffer. */
const CAPACITY = 1_000;

export class Network {
  #flying: Message[] = [];
  /** Nodes of one side; a message between sides is lost. */
  #side = new Set<number>();
  readonly #random: Random;
  readonly #lost: (message: Message) => void;
  dropRate = 0;
  doubleRate = 0;
  /** Of appends, beside the rest: leaders come easily then, and get little done. */
  appendDropRate = 0;

  /** @param lost is told of each message that was lost. */
  constructor(random: Random, lost: (message: Message) => void) {
    this.#random = random;
    this.#lost = lost;
  }

  get count(): number {
    return this.#flying.length;
  }

  send(message: Message): void {
    const rate = message.type === "append" ? Math.max(this.appendDropRate, this.dropRate) : this.dropRate;
    if (this.#random.chance(rate) || this.#flying.length >= CAPACITY) {
      this.#lost(message);
      return;
    }
    this.#flying.push(message);
    // A proposal that is passed on twice is two proposals: that is promised to nobody, so it isn't tried.
    if (this.#random.chance(this.doubleRate) && message.type !== "propose") this.#flying.push(message);
  }

  /** Takes a message that arrives: most often an early one, sometimes any. */
  take(): Message | undefined {
    if (this.#flying.length === 0) return undefined;
    const any = this.#random.chance(0.3);
    const at = this.#random.below(any ? this.#flying.length : Math.min(4, this.#flying.length));
    const [message] = this.#flying.splice(at, 1);
    if (message === undefined || this.#side.has(message.from) === this.#side.has(message.to)) return message;
    this.#lost(message);
    return undefined;
  }

  partition(side: Iterable<number>): void {
    this.#side = new Set(side);
  }

  heal(): void {
    this.#side.clear();
    this.appendDropRate = 0;
    this.dropRate = 0;
    this.doubleRate = 0;
  }
}

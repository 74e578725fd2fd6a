/** The state machine of the simulator: numbered registers, and a checksum of every entry that was ever applied. */
import type { Entry } from "../src/entry.ts";

export interface Command {
  readonly id: number;
  readonly key: number;
  readonly kind: "write" | "swap";
  /** What a swap expects. */
  readonly from: number;
  readonly value: number;
}

export function encodeCommand({ id, key, kind, from, value }: Command): Uint8Array {
  return new Uint8Array(new Float64Array([id, key, kind === "write" ? 0 : 1, from, value]).buffer);
}

export function decodeCommand(data: Uint8Array): Command | undefined {
  if (data.length !== 40) return undefined;
  const [id, key, swap, from, value] = new Float64Array(data.slice().buffer) as unknown as number[];
  return { id, key, kind: swap === 0 ? "write" : "swap", from, value } as Command;
}

export class Machine {
  #registers = new Map<number, number>();
  applied = 0;
  checksum = 0;

  read(key: number): number | undefined {
    return this.#registers.get(key);
  }

  /** Returns whether a command did what it was for: a swap may not have matched. */
  apply(entry: Entry): boolean {
    this.applied = entry.index;
    this.checksum = mix(mix(this.checksum, entry.index), entry.term);
    for (const byte of entry.data) this.checksum = mix(this.checksum, byte);
    const command = entry.type === "normal" ? decodeCommand(entry.data) : undefined;
    if (command === undefined) return false;
    if (command.kind === "swap" && this.#registers.get(command.key) !== command.from) return false;
    this.#registers.set(command.key, command.value);
    return true;
  }

  save(): Uint8Array {
    const { applied, checksum } = this;
    return new TextEncoder().encode(JSON.stringify({ applied, checksum, registers: [...this.#registers] }));
  }

  restore(data: Uint8Array): void {
    if (data.length === 0) return;
    const { applied, checksum, registers } = JSON.parse(new TextDecoder().decode(data));
    this.applied = applied;
    this.checksum = checksum;
    this.#registers = new Map(registers);
  }
}

function mix(sum: number, word: number): number {
  return Math.imul(sum ^ word, 0x01000193) >>> 0;
}

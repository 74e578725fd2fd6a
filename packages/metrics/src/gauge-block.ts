/**
 * Gauges in shared memory: numbers that go up and down, one f64 each, that any thread sets, adds to and reads. Each has a
 * line of its own (and the one that the prefetcher pairs with it), since threads that write different gauges shouldn't
 * wait for each other.
 */
import type { Arena } from "@esc/arena";
import { loadKernel, regionAddress } from "@esc/arena/kernel";
import { kernelBase64 } from "./kernel.generated.ts";
import type { MetricsKernel } from "./metrics-kernel.ts";

const GAUGE_BYTES = 128;

export class GaugeBlock<Name extends string> {
  readonly names: readonly Name[];
  /** Address of the first gauge, the others 128 bytes apart: for kernels only. */
  readonly address: number;
  readonly #addresses: ReadonlyMap<Name, number>;
  readonly #kernel: MetricsKernel;

  private constructor(arena: Arena, address: number, names: readonly Name[]) {
    this.names = names;
    this.address = address;
    this.#addresses = new Map(names.map((name, index) => [name, address + index * GAUGE_BYTES]));
    this.#kernel = loadKernel<MetricsKernel>(kernelBase64, arena);
  }

  /** Makes a block of zeros under a name of its own. @throws ArenaError as {@link Arena.allocate}. */
  static create<Name extends string>(arena: Arena, name: string, gauges: readonly Name[]): GaugeBlock<Name> {
    return new GaugeBlock(arena, regionAddress(arena.allocate(name, gauges.length * GAUGE_BYTES)), gauges);
  }

  /** The block of that name in any thread; `gauges` as at its creation. @throws ArenaError `ESC_ARENA_REGION_UNKNOWN`. */
  static attach<Name extends string>(arena: Arena, name: string, gauges: readonly Name[]): GaugeBlock<Name> {
    return new GaugeBlock(arena, regionAddress(arena.region(name)), gauges);
  }

  /** Any thread; the last one to set wins. */
  set(gauge: Name, value: number): void {
    this.#kernel.set(this.#addresses.get(gauge) as number, value);
  }

  /** Adds, or with less than 0 takes away. Any thread, and none is lost. */
  add(gauge: Name, n = 1): void {
    this.#kernel.addToGauge(this.#addresses.get(gauge) as number, n);
  }

  /** The value now. Any thread. */
  value(gauge: Name): number {
    return this.#kernel.readGauge(this.#addresses.get(gauge) as number);
  }
}

/**
 * The topic table: which priority overrides a frame's own, by topic. Kernels look topics up in it
 * (`assembly/topic-table.ts` has the layout); this face makes it and serves tools and tests.
 */
import type { Arena } from "@esc/arena";
import { loadKernel, regionAddress } from "@esc/arena/kernel";
import { EscError, PRIORITY_NAMES, type Priority, type PriorityName, TopicPattern } from "@esc/events";
import { kernelBase64 } from "./kernel.generated.ts";

/** A rule: every topic that matches goes by this priority, whatever its frame says. */
export interface TopicOverride {
  /** A topic, or a pattern with `*` and `>`. */
  readonly pattern: string;
  readonly priority: Priority;
}

export interface TopicTableOptions {
  /** Rules; an exact topic wins over any pattern, then the earlier rule over the later. */
  readonly overrides: readonly TopicOverride[];
  /** Topics to remember, 1 to 1,048,576 (64 bytes × 2 each); 16,384 unless given. Others are worked out each time. */
  readonly maxTopics?: number;
}

interface TopicKernel {
  resolve(table: number, topic: number, length: number): number;
}

const HEADER_BYTES = 128;
const SLOT_BYTES = 64;
const SCRATCH_BYTES = 65_536;
const NOT_UTF8 = 254;
const NO_OVERRIDE = 255;

export class TopicTable {
  /** Address of the table: for kernels only. */
  readonly address: number;
  readonly #kernel: TopicKernel;
  readonly #scratch: Uint8Array;
  readonly #words: Int32Array;

  private constructor(arena: Arena, name: string) {
    const region = arena.region(name);
    const scratch = arena.region(`${name}.scratch`);
    this.address = regionAddress(region);
    this.#kernel = loadKernel<TopicKernel>(kernelBase64, arena);
    this.#scratch = new Uint8Array(arena.memory.buffer, regionAddress(scratch), SCRATCH_BYTES);
    this.#words = new Int32Array(arena.memory.buffer, regionAddress(region), HEADER_BYTES / 4);
  }

  /** Arena bytes that a table needs. */
  static bytesFor(options: TopicTableOptions): number {
    return tableBytes(options.maxTopics ?? 16_384) + overrideBytes(options.overrides) + SCRATCH_BYTES + 512;
  }

  /**
   * Makes a table. Once, before other threads attach.
   * @throws EscError `ESC_TOPIC_PATTERN` for a pattern that can't be; `ESC_TOPIC_TABLE_SIZE`.
   */
  static create(arena: Arena, name: string, options: TopicTableOptions): TopicTable {
    const { overrides, maxTopics = 16_384 } = options;
    if (!Number.isInteger(maxTopics) || maxTopics < 1 || maxTopics > 1_048_576) {
      throw new EscError("ESC_TOPIC_TABLE_SIZE", `A topic table remembers 1 to 1048576 topics, not ${maxTopics}.`);
    }
    const region = arena.allocate(name, tableBytes(maxTopics));
    const rules = arena.allocate(`${name}.overrides`, overrideBytes(overrides));
    arena.allocate(`${name}.scratch`, SCRATCH_BYTES);
    writeOverrides(new DataView(arena.memory.buffer, regionAddress(rules), rules.byteLength), overrides);
    const words = new Int32Array(arena.memory.buffer, regionAddress(region), HEADER_BYTES / 4);
    words[0] = slotCount(maxTopics) - 1;
    words[1] = maxTopics;
    Atomics.store(words, 3, regionAddress(rules));
    return new TopicTable(arena, name);
  }

  /** The table of that name, in any thread. */
  static attach(arena: Arena, name: string): TopicTable {
    return new TopicTable(arena, name);
  }

  /** Topics remembered so far. */
  get topics(): number {
    return Atomics.load(this.#words, 2);
  }

  /**
   * What overrides a topic's priority: undefined when nothing does, "invalid" when the bytes are not well-formed UTF-8.
   * One thread at a time (it copies into a scratch region): for tools and tests; ingest asks in its kernel.
   */
  resolve(topic: Uint8Array): PriorityName | "invalid" | undefined {
    this.#scratch.set(topic);
    const found = this.#kernel.resolve(this.address, this.#scratch.byteOffset, topic.length);
    if (found === NO_OVERRIDE) return undefined;
    return found === NOT_UTF8 ? "invalid" : PRIORITY_NAMES[found];
  }
}

/** Slots: a power of two, at least twice the topics, so that probes stay short. */
function slotCount(maxTopics: number): number {
  return 2 ** Math.ceil(Math.log2(maxTopics * 2));
}

function tableBytes(maxTopics: number): number {
  return HEADER_BYTES + slotCount(maxTopics) * SLOT_BYTES;
}

function overrideBytes(overrides: readonly TopicOverride[]): number {
  return overrides.reduce((bytes, { pattern }) => bytes + 8 + ((Buffer.byteLength(pattern) + 3) & ~3), 4);
}

function writeOverrides(view: DataView, overrides: readonly TopicOverride[]): void {
  const checked = overrides.map(({ pattern, priority }) => ({ pattern: new TopicPattern(pattern), priority }));
  // Exact topics first; sort() is stable, so the file's order decides among patterns.
  checked.sort((a, b) => Number(a.pattern.wildcard) - Number(b.pattern.wildcard));
  view.setUint32(0, checked.length, true);
  let at = 4;
  for (const { pattern, priority } of checked) {
    const bytes = new TextEncoder().encode(pattern.text);
    view.setUint32(at, bytes.length, true);
    view.setUint32(at + 4, priority, true);
    new Uint8Array(view.buffer, view.byteOffset + at + 8, bytes.length).set(bytes);
    at += 8 + ((bytes.length + 3) & ~3);
  }
}

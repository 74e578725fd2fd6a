/**
 * What handlers publish onward: checked when they say so, put into the lanes' rings when they are done. Nothing here
 * waits: a ring without room is a return value.
 */
import { hash } from "node:crypto";
import {
  EscError,
  EVENT_ID_BYTES,
  eventMetadata,
  LANE_NAMES,
  type LaneName,
  laneOf,
  MAX_TOPIC_BYTES,
  Priority,
  type PriorityName,
  Source,
} from "@esc/events";
import type { RecordAppender, RecordInput } from "@esc/queues";
import type { Emission } from "../handler.ts";

/** An emission that was checked. */
export interface Checked {
  readonly lane: LaneName;
  readonly record: Omit<RecordInput, "timeMs">;
}

export interface EmitterOptions {
  readonly appenders: Readonly<Record<LaneName, Pick<RecordAppender, "append">>>;
  /** Topic, payload, id and metadata together, in bytes. */
  readonly maxBytes: number;
  /** What overrides a topic's priority; undefined when nothing does. */
  readonly override: (topic: string) => PriorityName | undefined;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

/** Emissions of one call at most. */
export const MAX_EMISSIONS = 1_024;

export class Emitter {
  readonly #options: EmitterOptions;

  constructor(options: EmitterOptions) {
    this.#options = options;
  }

  /**
   * Checks an emission and copies what it holds.
   * @param origin what is being handled and the emission's number in it: the same for the same event, however often it is handled.
   * @throws EscError `ESC_EMIT_INVALID`.
   */
  check(emission: Emission, origin: () => string): Checked {
    const { topic, payload, priority = "MEDIUM", id } = emission;
    if (typeof topic !== "string" || topic === "") throw invalid("a `topic` is a string that isn't empty");
    const topicBytes = Buffer.from(topic);
    if (topicBytes.length > MAX_TOPIC_BYTES) throw invalid(`a \`topic\` takes ${MAX_TOPIC_BYTES} bytes at most`);
    if (typeof payload !== "string" && !(payload instanceof Uint8Array))
      throw invalid("a `payload` is bytes or a string");
    if (!(priority in Priority)) throw invalid(`\`priority\` is one of ${Object.keys(Priority).join(", ")}`);
    if (id !== undefined && !(id instanceof Uint8Array && id.length === EVENT_ID_BYTES)) {
      throw invalid(`an \`id\` has ${EVENT_ID_BYTES} bytes`);
    }
    const metadata = eventMetadata(emission, invalid);
    const bytes = typeof payload === "string" ? Buffer.from(payload) : Uint8Array.from(payload);
    const total = topicBytes.length + bytes.length + metadata.length + EVENT_ID_BYTES;
    if (total > this.#options.maxBytes) {
      throw invalid(
        `an event takes up to ${this.#options.maxBytes} bytes (ingestion.max_frame_bytes), this one has ${total}`,
      );
    }
    const number = Priority[this.#options.override(topic) ?? priority];
    return {
      lane: LANE_NAMES[laneOf(number)] as LaneName,
      record: {
        ...{ topic: topicBytes, payload: bytes, priority: number, source: Source.inProcess },
        id: id === undefined ? idOf(origin()) : Uint8Array.from(id),
        ...(metadata.length > 0 && { metadata }),
      },
    };
  }

  /** Puts one into its lane's ring. @returns false when there is no room now. */
  append({ lane, record }: Checked): boolean {
    return this.#options.appenders[lane].append({ ...record, timeMs: this.#options.clock() });
  }
}

/** 16 bytes that stand for a text. */
function idOf(origin: string): Uint8Array {
  return hash("sha256", origin, "buffer").subarray(0, EVENT_ID_BYTES);
}

function invalid(what: string): EscError {
  return new EscError("ESC_EMIT_INVALID", `emit: ${what}.`);
}

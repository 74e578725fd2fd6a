/** A topic that is ready to be written: its bytes as words, so that an event costs a few stores and no encoding. */
import { EscError, MAX_TOPIC_BYTES, PRIORITY_NAMES, Priority, type PriorityName } from "@esc/events";

export class PreparedTopic {
  readonly name: string;
  /** Of its events, unless they say another; an override in `topics.conf` wins over both. */
  readonly priority: Priority;
  /** Bytes of the name in UTF-8. */
  readonly byteLength: number;
  /** @internal The bytes as little-endian words, zero padded. */
  readonly words: Uint32Array;

  /** @internal `Publisher.topic` makes them. */
  constructor(name: string, priority: Priority | PriorityName = Priority.MEDIUM) {
    if (typeof name !== "string" || name === "") throw invalid("a `topic` is a string that isn't empty");
    if (!name.isWellFormed()) throw invalid("a `topic` is a well-formed string");
    const bytes = new TextEncoder().encode(name);
    if (bytes.length > MAX_TOPIC_BYTES) throw invalid(`a \`topic\` takes ${MAX_TOPIC_BYTES} bytes at most`);
    this.name = name;
    this.priority = priorityOf(priority);
    this.byteLength = bytes.length;
    const padded = new Uint8Array((bytes.length + 3) & ~3);
    padded.set(bytes);
    this.words = new Uint32Array(padded.buffer);
  }
}

/** A priority by its number or its name. @throws EscError `ESC_PUBLISH_INVALID`. */
export function priorityOf(priority: Priority | PriorityName): Priority {
  const found = typeof priority === "string" ? Priority[priority] : priority;
  if (PRIORITY_NAMES[found] === undefined) throw invalid(`\`priority\` is one of ${PRIORITY_NAMES.join(", ")}`);
  return found;
}

/** What a caller's mistake throws. */
export function invalid(what: string): EscError {
  return new EscError("ESC_PUBLISH_INVALID", `publish: ${what}.`);
}

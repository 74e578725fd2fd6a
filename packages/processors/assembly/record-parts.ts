// Where a record's parts begin. Its layout is in `@esc/events/assembly/record`.
import {
  EVENT_ID_BYTES, FLAG_ID, FLAG_METADATA, RECORD_FLAGS, RECORD_HEADER, RECORD_TOPIC_LENGTH,
} from "@esc/events/assembly/record";

/** Address of a record's topic. */
// @ts-ignore: decorator
@inline
export function topicOf(record: usize): usize {
  return record + <usize>RECORD_HEADER + ((<u32>load<u8>(record + RECORD_FLAGS) & FLAG_ID) != 0 ? <usize>EVENT_ID_BYTES : 0);
}

/** Address of a record's payload; it ends with the record. */
// @ts-ignore: decorator
@inline
export function payloadOf(record: usize, topic: usize): usize {
  const end = topic + <usize>load<u16>(record + RECORD_TOPIC_LENGTH);
  if ((<u32>load<u8>(record + RECORD_FLAGS) & FLAG_METADATA) == 0) return end;
  return end + 2 + <usize>load<u16>(end);
}

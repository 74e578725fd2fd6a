export { DATAGRAM_PRODUCER, IN_PROCESS_PRODUCER, Overflow, overflowByLane, WAITING_PRODUCER } from "./overflow.ts";
export { type TopicOverride, TopicTable, type TopicTableOptions } from "./topic-table.ts";

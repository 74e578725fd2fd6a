// The ring: variable-length records, several producers, several consumers, published by cursor. The parts:
export * from "./control";
export * from "./claims";
export * from "./cursors";
export * from "./lane";

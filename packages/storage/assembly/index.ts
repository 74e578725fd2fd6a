export { findLength, findRecord, hashHolds, scanRecords } from "./scan";

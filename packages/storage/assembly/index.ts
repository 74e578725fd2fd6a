export { findLength, findRecord, hashHolds, scanRecords, zerosFrom } from "./scan";

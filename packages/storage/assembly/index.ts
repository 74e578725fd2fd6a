export { findLength, findRecord, scanRecords } from "./scan";

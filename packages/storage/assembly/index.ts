export { findRecord, scanRecords } from "./scan";

export { resolve } from "./topic-table";
export { laneOf } from "./route";

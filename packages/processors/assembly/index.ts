export { clearRoutes, insertRoute } from "./topic-routes";
export { eachBytes, fillBatch } from "./batch";
export { applyBuiltIns, observe } from "./built-ins";

// What the explorer puts behind every access to memory of a model. Compiled together with the model; the rewriting in
// `instrument.mjs` turns each access into a call of one of these, and Asyncify lets `step` suspend the thread inside.
export * from "./access";
export { exploreObserve } from "./steps";
export * from "./states";
export * from "./wait";

// The kernel behind `BlockPool`: called once per half magazine, not per block.
export { give, take } from "./free-list";

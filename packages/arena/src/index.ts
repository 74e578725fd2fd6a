export { Arena, type ArenaHandle, type ArenaOptions, type Region, type RegionUse } from "./arena.ts";
export { ArenaError } from "./arena-error.ts";
export { loadKernel } from "./kernel.ts";

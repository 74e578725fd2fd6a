export { Arena, type ArenaHandle, type ArenaOptions, Region, type RegionUse } from "./arena.ts";
export { ArenaError } from "./arena-error.ts";
export { BytesView } from "./bytes-view.ts";

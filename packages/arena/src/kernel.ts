/**
 * `@esc/arena/kernel`: for packages that run kernels over an arena. Here, and only here, bytes have addresses; what a package
 * hands to its users has none.
 */
export { regionAddress } from "./arena.ts";
export { moveView } from "./bytes-view.ts";
export { loadKernel } from "./load-kernel.ts";

/** How every package is bundled: ESM only, one file per entry, no declarations (tsc emits those). */
export function library(overrides = {}) {
  return {
    entry: ["src/index.ts"],
    format: ["esm"],
    target: "node24",
    platform: "node",
    dts: false,
    sourcemap: true,
    clean: true,
    treeshake: true,
    ...overrides,
  };
}

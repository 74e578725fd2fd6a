import { fileURLToPath } from "node:url";

/** How every package is tested. The JSON report is what the root's `npm test` counts. */
export function suite(overrides = {}) {
  return {
    test: {
      include: ["src/**/*.test.ts"],
      pool: "forks",
      setupFiles: [fileURLToPath(import.meta.resolve("./properties.mjs"))],
      testTimeout: 60_000,
      hookTimeout: 60_000,
      reporters: ["default", "json"],
      outputFile: { json: "reports/test.json" },
      ...overrides,
    },
  };
}

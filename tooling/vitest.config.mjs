import { suite } from "./vitest/preset.mjs";

export default suite({ include: ["**/*.test.{mjs,ts}"] });

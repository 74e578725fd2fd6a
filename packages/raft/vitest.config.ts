import { suite } from "@esc/tooling/vitest";

export default suite();

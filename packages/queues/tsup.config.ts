import { library } from "@esc/tooling/tsup";

export default library({ entry: ["src/index.ts", "src/kernel.ts"] });

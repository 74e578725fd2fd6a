import { library } from "@esc/tooling/tsup";

export default library({
  entry: ["src/index.ts", "src/cli.ts", "src/workers/ingest.ts", "src/workers/lane.ts", "src/workers/log.ts"],
});

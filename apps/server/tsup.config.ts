import { library } from "@esc/tooling/tsup";

export default library({
  entry: ["src/index.ts", "src/cli.ts", ...["ingest", "lane", "load", "log"].map((name) => `src/workers/${name}.ts`)],
});

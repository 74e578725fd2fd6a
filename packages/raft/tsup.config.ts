import { library } from "@esc/tooling/tsup";

export default library();

/** A file system whose syncs do nothing: for tests of what is in files, not of what a crash leaves, that open hundreds of logs. */
import { type LogFs, nodeFs } from "./index.ts";

export const unsyncedFs: LogFs = { ...nodeFs, datasync: () => undefined, syncDirectory: () => undefined };

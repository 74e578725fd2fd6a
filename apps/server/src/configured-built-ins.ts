/** Built-ins of the configuration, as processors take them. */
import { type BuiltIn, type BuiltInDefinition, toBuiltIn } from "@esc/processors";
import type { Config } from "./config/schema.ts";

export function configuredBuiltIns({ builtins }: Config): BuiltIn[] {
  return builtins.map((one) => toBuiltIn(definitionOf(one), `builtins: ${one.name}`));
}

/** The configuration's names for a definition's fields. */
export function definitionOf({ every_ms: everyMs, topics, ...one }: Config["builtins"][number]): BuiltInDefinition {
  return { ...one, topics, ...(everyMs !== undefined && { everyMs }) };
}

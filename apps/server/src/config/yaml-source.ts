/** A YAML file, with the place of every key: what is wrong in it is told by line and column. */
import { readFileSync, statSync } from "node:fs";
import { type Document, isMap, isNode, LineCounter, parseDocument } from "yaml";
import { ConfigError } from "./config-error.ts";
import { firstLineNotUtf8 } from "./utf8-lines.ts";

export interface YamlSource {
  readonly value: Record<string, unknown>;
  /** `file:line:column` of a key, or of the nearest one above it. */
  place(path: readonly PropertyKey[]): string;
}

const MAX_FILE_BYTES = 1_048_576;
/** Uses of anchors, multiplied out: more is an attack on memory ("a billion laughs"). */
const MAX_ALIASES = 100;

/**
 * @param path where the file is.
 * @param name what to call it in messages.
 * @throws ConfigError `ESC_CONFIG_INVALID`, whatever the file holds.
 */
export function readYaml(path: string, name: string): YamlSource {
  const content = read(path, name);
  const lines = new LineCounter();
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  let document: Document.Parsed;
  let value: unknown;
  try {
    document = parseDocument(content, { lineCounter: lines, prettyErrors: false, logLevel: "error" });
    if (document.errors.length > 0) {
      throw new ConfigError(document.errors.map((error) => ({ where: at(error.pos[0]), what: error.message })));
    }
    value = document.toJS({ maxAliasCount: MAX_ALIASES }) ?? {};
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    // Nesting without end exhausts the parser's stack.
    throw problem(name, error instanceof RangeError ? "is nested too deeply" : (error as Error).message);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw problem(at(0), "must hold keys and values (a YAML map)");
  }
  return {
    value: value as Record<string, unknown>,
    place: (keys) => {
      const offset = offsetOf(document, keys);
      return offset === undefined ? name : at(offset);
    },
  };
}

function read(path: string, name: string): string {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw problem(name, "is a folder; give a YAML file");
    if (stat.size > MAX_FILE_BYTES) {
      throw problem(name, `is larger than ${MAX_FILE_BYTES} bytes; that is no configuration`);
    }
    const bytes = readFileSync(path);
    const line = firstLineNotUtf8(bytes);
    if (line !== undefined) throw problem(`${name}:${line}`, "has bytes that aren't UTF-8");
    return bytes.toString("utf8");
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw problem(name, code === "ENOENT" ? "there is no such file" : `can't be read (${code})`);
  }
}

function problem(where: string, what: string): ConfigError {
  return new ConfigError([{ where, what }]);
}

/** Where a key stands in the document; the map that should have held it when it doesn't. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number | undefined {
  for (let depth = path.length; depth > 0; depth--) {
    const parent: unknown = document.getIn(path.slice(0, depth - 1), true);
    if (isMap(parent)) {
      for (const { key } of parent.items) {
        if (isNode(key) && String(key) === String(path[depth - 1])) return key.range?.[0];
      }
    }
    const value: unknown = document.getIn(path.slice(0, depth), true);
    if (isNode(value)) return value.range?.[0];
  }
  return undefined;
}

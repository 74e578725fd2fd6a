/**
 * Importing handler modules: what one of them exports, or a sentence about why it can't be had. These are people's own
 * files, so the sentence names the file and line that is wrong, which isn't always the file in the configuration.
 */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { EscError } from "@esc/events";

/** Characters of what a module threw that a message repeats. */
const MAX_SHOWN = 500;
/** A process of its own that parses a module again has this long. */
const PARSE_MS = 5_000;

/**
 * The default export of a handler module; not undefined, and no empty list. What is in it is the caller's to check.
 * @param path absolute.
 * @throws EscError `ESC_HANDLER_LOAD`, whatever the module does.
 */
export async function importHandlers(path: string): Promise<unknown> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw notLoaded(path, "there is no such file");
  if (found.isDirectory()) throw notLoaded(path, "it is a folder; name a file");
  let loaded: { default?: unknown };
  try {
    loaded = (await import(pathToFileURL(path).href)) as { default?: unknown };
  } catch (error) {
    throw notLoaded(path, reason(error, path), error);
  }
  const { default: exported } = loaded;
  if (exported === undefined) {
    throw new EscError(
      "ESC_HANDLER_LOAD",
      `handlers: ${path} has no default export: export default defineHandler({ … }).`,
    );
  }
  if (Array.isArray(exported) && exported.length === 0) {
    throw new EscError(
      "ESC_HANDLER_LOAD",
      `handlers: ${path} exports an empty list. Export a handler, or take the file out of the configuration.`,
    );
  }
  return exported;
}

function notLoaded(path: string, why: string, cause?: unknown): EscError {
  return new EscError("ESC_HANDLER_LOAD", `handlers: ${path} can't be loaded: ${why}.`, { cause });
}

function reason(error: unknown, path: string): string {
  if (!(error instanceof Error)) {
    return `it threw ${inspect(error, { breakLength: Number.POSITIVE_INFINITY }).slice(0, MAX_SHOWN)}`;
  }
  const { name, code } = error as NodeJS.ErrnoException;
  const message = error.message.slice(0, MAX_SHOWN).replace(/\.$/, "");
  // Says itself which module is missing, and which one asked for it.
  if (code === "ERR_MODULE_NOT_FOUND") return message;
  const place =
    placeIn(error.stack ?? "", path) ?? (error instanceof SyntaxError ? placeOfSyntaxError(path) : undefined);
  return `${name === "Error" ? "" : `${name}: `}${message}${place === undefined ? "" : ` (${place})`}`;
}

/** The place in a trace that people can do something about: in the module itself, else the first one in any file. */
function placeIn(trace: string, path: string): string | undefined {
  const places = [...trace.matchAll(/file:\/\/[^\s()]+?:\d+(?::\d+)?(?=[\s)]|$)/g)].map(([url]) => fileURLToPath(url));
  return places.find((place) => place.startsWith(`${path}:`)) ?? places[0];
}

/**
 * Node tells where a module can't be parsed only to who doesn't catch the error. So it is asked again, in a process of its
 * own; nothing of the module runs there either, because all of it is parsed first.
 */
function placeOfSyntaxError(path: string): string | undefined {
  const again = `await import(${JSON.stringify(pathToFileURL(path).href)});`;
  const { stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", again], {
    encoding: "utf8",
    timeout: PARSE_MS,
    stdio: ["ignore", "ignore", "pipe"],
  });
  return placeIn(stderr ?? "", path);
}

/**
 * Rewrites a compiled model: each access to memory goes through the runtime, which suspends the thread before a step, and
 * Binaryen's Asyncify makes that possible. The rest of the code is what the build ships.
 */
import binaryen from "binaryen";

/** What Node runs and AssemblyScript emits; with more, Binaryen emits types that Node may not know. */
const features = [
  "Atomics",
  "BulkMemory",
  "BulkMemoryOpt",
  "MutableGlobals",
  "NontrappingFPToInt",
  "SignExt",
  "SIMD128",
].reduce((all, name) => all | binaryen.Features[name], 0);

/** Where the runtime keeps its flag; see `assembly/runtime/layout.ts`. */
const TRACING = 28;

/**
 * @typedef {object} Site an access in the code
 * @property {string} op WebAssembly's name for it
 * @property {string} place file:line, or the function's name
 * @property {string} source the line of source text
 *
 * @typedef {object} Program
 * @property {WebAssembly.Module} module
 * @property {Site[]} sites
 */

/** @returns {Program} */
export function instrument(text, { sources, runtime }) {
  if (/^ \(data /m.test(text))
    throw new Error("The model has a data segment (a string or a static array): kernels own no memory");
  const global = /^ \(global (\S+) \(mut/m.exec(text);
  if (global)
    throw new Error(
      `The model has a global that changes, ${global[1]}: keep state in memory, where it can be explored`,
    );

  const exported = new Map();
  for (const [, name, target] of text.matchAll(/^ \(export "([^"]+)" \(func (\S+)\)\)/gm)) exported.set(name, target);
  const trace = /^ \(import "explore" "trace" \(func (\S+) /m.exec(text)[1];

  const sites = [];
  const wrappers = new Map();
  let place = "";
  let inRuntime = false;
  let where = "";
  const lines = text.split("\n").map((line) => {
    const header = /^ \(func (\S+)/.exec(line);
    if (header) {
      where = header[1].slice(1);
      place = "";
      inRuntime = where.startsWith(`${runtime}/`);
      return line;
    }
    const location = /^\s*;;@ (\S+):(\d+):\d+$/.exec(line);
    if (location) {
      place = `${location[1]}:${location[2]}`;
      return line;
    }
    if (inRuntime) return line;
    const access = /^(\s*)\(([a-z0-9]+\.[a-z0-9_.]+)((?: (?:offset|align)=\d+)*)(\)?)\s*$/.exec(line);
    if (!access) {
      // What isn't recognized must not slip through as code that nobody suspends.
      if (/^\s*\((memory|(i32|i64|f32|f64|v128)\.(atomic\.)?(load|store|rmw))/.test(line)) {
        throw new Error(`The explorer can't read this instruction: ${line.trim()}`);
      }
      return line;
    }
    const [, indent, op, immediates, closing] = access;
    const kind = kindOf(op);
    if (!kind) return line;
    const site = sites.length + 1;
    sites[site - 1] = { op, place: place || where, source: lineOf(sources, place) };
    wrappers.set(op, wrapper(op, kind, exported, trace));
    const offset = / offset=(\d+)/.exec(immediates)?.[1] ?? "0";
    return `${indent}(call $explored.${op} (i32.const ${site}) (i32.const ${offset})${closing}`;
  });
  const body = lines.join("\n").trimEnd().replace(/\)$/, "");
  const whole = `${body}\n${[...wrappers.values()].join("\n")}\n)`.replace(/(\(memory \S+ \d+ \d+) shared\)/, "$1)");

  const module = binaryen.parseText(whole);
  const before = [binaryen.getOptimizeLevel(), binaryen.getShrinkLevel(), binaryen.getDebugInfo()];
  try {
    module.setFeatures(features);
    binaryen.setOptimizeLevel(2);
    binaryen.setShrinkLevel(0);
    binaryen.setDebugInfo(true);
    binaryen.setPassArgument("asyncify-imports", "explore.step");
    module.runPasses(["asyncify"]);
    module.optimize();
    return { module: new WebAssembly.Module(module.emitBinary()), sites };
  } finally {
    binaryen.clearPassArguments();
    binaryen.setOptimizeLevel(before[0]);
    binaryen.setShrinkLevel(before[1]);
    binaryen.setDebugInfo(before[2]);
    module.dispose();
  }
}

/** The line of source at a place; another package's file is `~lib/…` there and was read from `node_modules/…`. */
function lineOf(sources, place) {
  const [, file, line] = /^(?:~lib\/)?(.*):(\d+)$/.exec(place) ?? [];
  if (file === undefined) return "";
  const name = sources.has(file) ? file : [...sources.keys()].find((name) => name.endsWith(`/${file}`));
  return sources.get(name)?.split("\n")[Number(line) - 1]?.trim() ?? "";
}

const sizes = { i32: 4, i64: 8, f32: 4, f64: 8, v128: 16 };

/** What an instruction does to memory: `{ does, type, size }`; undefined when nothing. */
function kindOf(op) {
  if (op === "memory.copy" || op === "memory.fill") return { does: op };
  if (op === "memory.atomic.notify" || op.startsWith("memory.atomic.wait")) return { does: op };
  if (op.startsWith("memory.") || op === "atomic.fence")
    throw new Error(`The explorer knows no ${op}: a kernel doesn't use it`);
  const parts = /^(i32|i64|f32|f64|v128)\.(atomic\.)?(load|store|rmw)(\d*)(.*)$/.exec(op);
  if (!parts) return undefined;
  const [, type, atomic, action, narrow, rest] = parts;
  if (/_lane|x\d/.test(rest))
    throw new Error(`The explorer knows no ${op} yet: teach it in tooling/explore/instrument.mjs`);
  const does = `${atomic ?? ""}${action === "rmw" && rest.startsWith(".cmpxchg") ? "cmpxchg" : action}`;
  return { does, type, size: narrow ? Number(narrow) / 8 : sizes[type] };
}

/** The function that stands for an instruction. */
function wrapper(op, { does, type, size }, exported, trace) {
  const call = (name) => `(call ${exported.get(name)} (local.get $site) (local.get $p) (i32.const ${size}))`;
  const head = `(func $explored.${op} (param $site i32) (param $offset i32)`;
  const place = "(local.set $p (i32.add (local.get $p) (local.get $offset)))";
  const traced = (a, b = "(i64.const 0)", c = "(i64.const 0)") =>
    `(if (i32.load (i32.const ${TRACING})) (then (call ${trace} (local.get $site) (local.get $p) ${a} ${b} ${c})))`;
  const bits = (local) => asI64(type, `(local.get $${local})`);
  switch (does) {
    case "load":
    case "atomic.load":
      return `${head} (param $p i32) (result ${type}) (local $v ${type}) ${place}
        (local.set $v (${op} ${call(does === "load" ? "explorePlainLoad" : "exploreAtomicLoad")}))
        ${traced(bits("v"))} (local.get $v))`;
    case "store":
    case "atomic.store":
      return `${head} (param $p i32) (param $v ${type}) ${place}
        (${op} ${call(does === "store" ? "explorePlainStore" : "exploreAtomicWrite")} (local.get $v))
        ${traced(bits("v"))})`;
    case "atomic.rmw":
      return `${head} (param $p i32) (param $v ${type}) (result ${type}) (local $old ${type}) ${place}
        (local.set $old (${op} ${call("exploreAtomicWrite")} (local.get $v)))
        ${traced(bits("v"), bits("old"))} (local.get $old))`;
    case "atomic.cmpxchg":
      return `${head} (param $p i32) (param $e ${type}) (param $v ${type}) (result ${type}) (local $old ${type}) ${place}
        (local.set $old (${op} ${call("exploreAtomicWrite")} (local.get $e) (local.get $v)))
        ${traced(bits("e"), bits("v"), bits("old"))} (local.get $old))`;
    case "memory.atomic.wait32":
    case "memory.atomic.wait64": {
      const wide = does.endsWith("64");
      const expected = wide ? "(local.get $e)" : "(i64.extend_i32_u (local.get $e))";
      return `${head} (param $p i32) (param $e ${wide ? "i64" : "i32"}) (param $t i64) (result i32) ${place}
        (call ${exported.get("exploreWait")} (local.get $site) (local.get $p) (i32.const ${wide ? 8 : 4}) ${expected} (local.get $t)))`;
    }
    case "memory.atomic.notify":
      return `${head} (param $p i32) (param $n i32) (result i32) ${place}
        (call ${exported.get("exploreNotify")} (local.get $site) (local.get $p) (local.get $n)))`;
    case "memory.copy":
      return `${head} (param $p i32) (param $from i32) (param $n i32)
        (call ${exported.get("exploreCopy")} (local.get $site) (local.get $p) (local.get $from) (local.get $n)))`;
    case "memory.fill":
      return `${head} (param $p i32) (param $v i32) (param $n i32)
        (call ${exported.get("exploreFill")} (local.get $site) (local.get $p) (local.get $v) (local.get $n)))`;
    default:
      throw new Error(`The explorer knows no ${op}`);
  }
}

function asI64(type, value) {
  switch (type) {
    case "i64":
      return value;
    case "i32":
      return `(i64.extend_i32_u ${value})`;
    case "f32":
      return `(i64.extend_i32_u (i32.reinterpret_f32 ${value}))`;
    case "f64":
      return `(i64.reinterpret_f64 ${value})`;
    default:
      return `(i64x2.extract_lane 0 ${value})`;
  }
}

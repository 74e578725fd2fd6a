/**
 * Compiles a model with the flags of the kernel build, together with the explorer's runtime. The text form carries the
 * place in the source of every instruction, so that a timeline can quote it.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { main } from "assemblyscript/asc";
import { compilerOptions } from "../kernel/options.mjs";
import { instrument } from "./instrument.mjs";

/** The runtime's directory, under a name of its own wherever the model is. */
const runtimeName = "explore-runtime";
const runtime = fileURLToPath(new URL("assembly/runtime", import.meta.url));
/** Compiled models of this process, by file and planted bug. */
const compiled = new Map();

/** @returns {Promise<import("./instrument.mjs").Program>} */
export function compile(model, plant) {
  const file =
    model instanceof URL || String(model).startsWith("file:") ? fileURLToPath(model) : resolve(String(model));
  const key = JSON.stringify([file, plant]);
  let program = compiled.get(key);
  if (!program) {
    program = build(file, plant);
    compiled.set(key, program);
  }
  return program;
}

async function build(file, plant) {
  const baseDir = packageOf(file);
  const entry = relative(baseDir, file).replaceAll("\\", "/");
  const sources = new Map();
  const output = new Map();
  let planted = 0;
  const { error, stderr } = await main(
    // `.wast` is the folded text, the one with places in the source.
    [
      entry,
      `${runtimeName}/index.ts`,
      "--baseDir",
      baseDir,
      "--outFile",
      "model.wasm",
      "--textFile",
      "model.wast",
      "--sourceMap",
    ].concat(compilerOptions),
    {
      readFile: (name) => {
        if (sources.has(name)) return sources.get(name);
        const path = name.startsWith(`${runtimeName}/`)
          ? join(runtime, name.slice(runtimeName.length))
          : join(baseDir, name);
        if (!existsSync(path)) return null;
        let text = readFileSync(path, "utf8");
        if (plant && (name === plant.file || name.endsWith(`/${plant.file}`))) {
          text = mutated(text, plant);
          planted++;
        }
        sources.set(name, text);
        return text;
      },
      writeFile: (name, contents) => void output.set(name, contents),
    },
  );
  if (error) throw new Error(`The model ${entry} does not compile:\n${stderr.toString()}`, { cause: error });
  if (plant && planted !== 1) {
    throw new Error(`${plant.file}, where the bug is to be planted, is ${planted} files of the model: name one`);
  }
  return instrument(output.get("model.wast"), { sources, runtime: runtimeName });
}

function mutated(text, { file, from, to }) {
  const count = text.split(from).length - 1;
  if (count !== 1) throw new Error(`The text to mutate occurs ${count} times in ${file}, and must once:\n${from}`);
  return text.replace(from, () => to);
}

/** The directory of the package that a file belongs to: where its imports are resolved from. */
function packageOf(file) {
  let directory = dirname(file);
  while (!existsSync(join(directory, "package.json"))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error(`${file} is in no package`);
    directory = parent;
  }
  return directory;
}

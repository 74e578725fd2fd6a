import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { currentMemoryPolicy, numactlArguments, underNumactl } from "./index.ts";
import { Tool } from "./tool.fixture.ts";

describe("numactl's options", () => {
  test.each([
    [{ memory: { kind: "preferred", node: 1 } }, ["--preferred=1"]],
    [{ memory: { kind: "bind", nodes: [0, 1, 3] } }, ["--membind=0-1,3"]],
    [{ memory: { kind: "interleave", nodes: [0, 1] } }, ["--interleave=0-1"]],
    [{ memory: { kind: "local" } }, ["--localalloc"]],
    [{ cpus: [4, 5, 6, 9] }, ["--physcpubind=4-6,9"]],
    [{ cpus: [2], memory: { kind: "local" } }, ["--physcpubind=2", "--localalloc"]],
    [{ cpus: [] }, []],
  ] as const)("for %j", (options, args) => {
    expect(numactlArguments(options)).toEqual(args);
  });
});

describe("a command under numactl", () => {
  const show = { command: "printf", args: ["%s\n", "a b", "--c"] };

  test("runs with its own arguments behind numactl's", async () => {
    // Says what it was given, and runs what stands behind the --.
    using numactl = new Tool('echo "$1"; while [ "$1" != "--" ]; do shift; done; shift; exec "$@"');
    const under = await underNumactl(show, { memory: { kind: "preferred", node: 1 } }, numactl.path);

    expect(under.placed).toBe(true);
    expect(execFileSync(under.command, under.args, { encoding: "utf8" })).toBe("--preferred=1\na b\n--c\n");
  });

  test("is tried without the command first, and comes back as it was when that is forbidden", async () => {
    using numactl = new Tool(
      '[ "$3" = true ] || exit 0; echo; echo "set_mempolicy: Operation not permitted" >&2; exit 1',
    );
    const under = await underNumactl(show, { memory: { kind: "bind", nodes: [0] } }, numactl.path);

    expect(under).toMatchObject({ ...show, placed: false });
    expect(under.problem).toMatch(/--membind=0 failed: set_mempolicy: Operation not permitted$/);
  });

  test("comes back as it was without numactl, with what to install", async () => {
    const under = await underNumactl(show, { cpus: [0] }, "no-such-numactl");

    expect(under).toMatchObject({ ...show, placed: false });
    expect(under.problem).toContain("install it (Debian: numactl)");
  });

  test("comes back as it was when nothing is asked for", async () => {
    expect(await underNumactl(show, {}, "no-such-numactl")).toEqual({ ...show, placed: false });
  });
});

test("the memory policy is that of the first line that the kernel writes about our memory", () => {
  const maps = "/proc/self/numa_maps";
  const expected = existsSync(maps) ? readFileSync(maps, "utf8").split("\n")[0]?.split(" ")[1] : undefined;

  expect(currentMemoryPolicy()).toBe(expected);
});

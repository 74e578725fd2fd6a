import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { matchTopic, PRIORITY_NAMES, Priority } from "@esc/events";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError } from "./config-error.ts";
import { parseTopics, readTopics } from "./topics-file.ts";

const shipped = fileURLToPath(new URL("../../../../config/topics.conf", import.meta.url));

function problemsOf(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ where, what }) => `${where}: ${what}`);
  }
  throw new Error("the file was taken");
}

const problems = (text: string) => problemsOf(() => parseTopics(text, "topics.conf"));

describe("a line of topics.conf", () => {
  test("gives a topic or a pattern its priority, in the file's order", () => {
    expect(parseTopics("payment.settled:HIGH\nalerts.>:CRITICAL\ntelemetry/*/raw:BATCH\n", "f")).toEqual([
      { pattern: "payment.settled", priority: Priority.HIGH },
      { pattern: "alerts.>", priority: Priority.CRITICAL },
      { pattern: "telemetry/*/raw", priority: Priority.BATCH },
    ]);
  });

  test("may be empty, a comment, or end in one; spaces, the priority's case, CRLF and a byte order mark don't matter", () => {
    expect(parseTopics("\uFEFF# all of it\r\n\r\n  a.b : low   # quiet\r\n", "f")).toEqual([
      { pattern: "a.b", priority: Priority.LOW },
    ]);
  });

  test("is split at its last colon: a topic may have some of its own", () => {
    expect(parseTopics("urn:order:created:MEDIUM\nurn:high:x y:LOW", "f")).toEqual([
      { pattern: "urn:order:created", priority: Priority.MEDIUM },
      { pattern: "urn:high:x y", priority: Priority.LOW },
    ]);
  });

  test("may stand twice when it says the same", () => {
    expect(parseTopics("a:LOW\na:LOW\n", "f")).toEqual([{ pattern: "a", priority: Priority.LOW }]);
  });
});

describe("a mistake is told with file and line", () => {
  test.each([
    ["order.created", 'topics.conf:1: expected topic:PRIORITY, found "order.created"'],
    [":HIGH", 'topics.conf:1: expected topic:PRIORITY, found ":HIGH"'],
    ["a:HIHG", 'topics.conf:1: "HIHG" is no priority. Did you mean HIGH?'],
    ["a:toString", 'topics.conf:1: "TOSTRING" is no priority.'],
    ["a:3", 'topics.conf:1: "3" is no priority.'],
    ["a:", 'topics.conf:1: "" is no priority.'],
    ["a.>.b:LOW", 'topics.conf:1: topic "a.>.b": `>` stands for the rest, so it can only be the last level'],
    ["a.b*:LOW", 'topics.conf:1: topic "a.b*": a wildcard stands alone in its level'],
    ["a:HIGH b:LOW", 'topics.conf:1: topic "a:HIGH b": each rule takes a line of its own'],
    ["\na: high, b:LOW", 'topics.conf:2: topic "a: high, b": each rule takes a line of its own'],
    ["a:LOW\n\na:HIGH", 'topics.conf:3: topic "a" has another priority on line 1 already'],
  ])("%j", (text, expected) => {
    const [problem, ...more] = problems(text);

    expect(problem).toContain(expected);
    expect(more).toEqual([]);
  });

  test("all at once", () => {
    expect(problems("x\na:HIGHEST\nb:LOW\nc.>.d:NOPE\n").map((line) => line.split(":")[1])).toEqual([
      "1",
      "2",
      "4",
      "4",
    ]);
  });

  test("when the file is larger than anybody writes", () => {
    expect(problems("#\n".repeat(10_001))).toEqual([expect.stringContaining("at most 10000 lines")]);
    expect(problems(`#${"x".repeat(1_048_576)}`)).toEqual([expect.stringContaining("1048576 bytes")]);
  });
});

test("whatever a file holds, the parser returns overrides or throws a ConfigError", () => {
  const piece = fc.oneof(fc.constantFrom("a", ".", "/", "*", ">", ":", "#", "\n", " ", ...PRIORITY_NAMES), fc.string());
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      try {
        for (const { pattern } of parseTopics(pieces.join(""), "f"))
          expect(() => matchTopic(pattern, "a")).not.toThrow();
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
      }
    }),
  );
});

describe("the file", () => {
  test("may be missing where nobody asked for it, and not where somebody did", () => {
    expect(readTopics("/nowhere/topics.conf", false)).toEqual([]);
    expect(problemsOf(() => readTopics("/nowhere/topics.conf", true))).toEqual([
      "/nowhere/topics.conf: there is no such file",
    ]);
  });

  test("that can't be read is never taken for a missing one", () => {
    const folder = mkdtempSync(join(tmpdir(), "esc-topics-"));
    try {
      expect(problemsOf(() => readTopics(folder, false))[0]).toContain("can't be read");
      writeFileSync(join(folder, "topics.conf"), "a:LOW");
      expect(readTopics(join(folder, "topics.conf"), true)).toHaveLength(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("with bytes that aren't UTF-8 is refused with the first such line", () => {
    const folder = mkdtempSync(join(tmpdir(), "esc-topics-"));
    const file = join(folder, "topics.conf");
    const problemsWith = (bytes: Buffer) => {
      writeFileSync(file, bytes);
      return problemsOf(() => readTopics(file, true));
    };
    try {
      const latin1 = Buffer.from("a:LOW\ngr\u00fc\u00df:HIGH\nb:LOW\n", "latin1");
      expect(problemsWith(latin1)).toEqual([`${file}:2: has bytes that aren't UTF-8`]);
      expect(problemsWith(Buffer.from("a:LOW\nb:LOW\n# \u00fc", "latin1"))).toEqual([
        `${file}:3: has bytes that aren't UTF-8`,
      ]);
      writeFileSync(file, "gr\u00fc\u00df:HIGH");
      expect(readTopics(file, true)).toEqual([{ pattern: "gr\u00fc\u00df", priority: Priority.HIGH }]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("that ships with the server leaves ordinary topics the priority that their frames have", () => {
    const overrides = readTopics(shipped, true);

    expect(overrides.length).toBeGreaterThan(0);
    for (const topic of ["order.created", "hello.world", "orders", "sensor/1/temperature", "user.login"]) {
      expect(overrides.filter(({ pattern }) => matchTopic(pattern, topic))).toEqual([]);
    }
  });
});

import { describe, expect, test } from "vitest";
import { parseCases, RECORDED, recording, recordings } from "../recorded/datadriven.ts";
import { Interaction } from "../recorded/interaction.ts";

const files = recordings("interaction");
/** Lines of the original's logger are its own business; an output of nothing else is "ok". */
const withoutLogLines = (text: string) => {
  const lines = text.split("\n").filter((line) => !/^\s*(DEBUG|INFO|WARN|ERROR) /.test(line));
  return lines.join("\n").trimEnd() || "ok";
};

describe.skipIf(files.length === 0)(`a group does what was recorded of another implementation (${RECORDED})`, () => {
  test.each(files)("in the script %s, output by output", (file) => {
    const script = new Interaction();
    for (const found of parseCases(recording("interaction", file))) {
      const got = withoutLogLines(script.run(found));
      expect(got, `${file}:${found.line}`).toBe(withoutLogLines(found.expected));
    }
  });
});

import { describe, expect, test } from "vitest";
import { RECORDED, recording, recordings } from "../recorded/datadriven.ts";
import { isKeyValueHistory, parseRegisterHistory } from "../recorded/histories.ts";
import { isRegister } from "../simulator/linearizability.ts";

const registers = recordings("linearizability/etcd");
const keyValues = recordings("linearizability/kv");
/** The verdicts that came with the recordings; every other one is not linearizable. */
const LINEARIZABLE = new Set([2, 5, 7, 18, 25, 31, 38, 45, 48, 49]);

describe.skipIf(registers.length === 0)(`the simulator's checker agrees with recorded verdicts (${RECORDED})`, () => {
  test.each(registers)("on the register of %s", (file) => {
    const operations = parseRegisterHistory(recording("linearizability/etcd", file));
    expect(operations.length).toBeGreaterThan(0);
    expect(isRegister(operations)).toBe(LINEARIZABLE.has(Number(/\d+/.exec(file)?.[0])));
  });

  test.each(keyValues)("on the keys of %s", (file) => {
    expect(isKeyValueHistory(recording("linearizability/kv", file))).toBe(file.includes("ok"));
  });
});

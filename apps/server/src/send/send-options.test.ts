import { describe, expect, test } from "vitest";
import { UsageError } from "../commands/usage-error.ts";
import { checkSendOptions } from "./send-options.ts";

test("without options, one event goes to this machine's TCP port", () => {
  expect(checkSendOptions({})).toEqual({
    udp: false,
    host: "127.0.0.1",
    port: 9000,
    frames: { topic: "hello.world", priority: "MEDIUM", sizeBytes: 32, ack: false, crc: false, id: false },
    count: 1,
    rate: Infinity,
    window: 65_536,
    timeoutMs: 30_000,
    file: undefined,
  });
});

test("--udp goes to the UDP port, and a file is sent to its end", () => {
  expect(checkSendOptions({ udp: true }).port).toBe(9001);
  expect(checkSendOptions({ udp: true, port: 9 }).port).toBe(9);
  expect(checkSendOptions({ file: "a.txt" })).toMatchObject({ file: "a.txt", count: Infinity });
  expect(checkSendOptions({ file: "a.txt", count: 3 }).count).toBe(3);
});

test("--file alone, or with a dash, is standard input", () => {
  expect(checkSendOptions({ file: true }, ["--file", "--ack"]).file).toBe("-");
  expect(checkSendOptions({ file: "-" }, ["--file=-"]).file).toBe("-");
});

test.each([
  ["high", "HIGH"],
  ["CRITICAL", "CRITICAL"],
  [0, "BATCH"],
  ["4", "CRITICAL"],
  ["Mix", "mix"],
])("--priority %s is %s", (written, priority) => {
  expect(checkSendOptions({ priority: written }).frames.priority).toBe(priority);
});

test("a topic, a host and a file stay what was typed, also where the parser made a number of it", () => {
  expect(checkSendOptions({ topic: 7 }, ["send", "--topic", "007"]).frames.topic).toBe("007");
  expect(checkSendOptions({ topic: 100_000 }, ["send", "--topic=1e5"]).frames.topic).toBe("1e5");
  expect(checkSendOptions({ host: 127.1 }, ["send", "--host", "127.1"]).host).toBe("127.1");
});

describe("a wrong value is told before anything is connected", () => {
  test.each([
    [{ count: 0 }, "--count takes a whole number from 1"],
    [{ count: "x" }, '--count takes a whole number from 1 to 9007199254740991, not "x"'],
    [{ count: "" }, "--count"],
    [{ size: -1 }, "--size"],
    [{ rate: 0 }, "--rate"],
    [{ rate: 0.5 }, "--rate"],
    [{ port: 65_536 }, "--port takes a whole number from 1 to 65535, not 65536"],
    [{ port: 0 }, "--port"],
    [{ window: 0 }, "--window"],
    [{ timeout: true }, "--timeout"],
    [{ priority: "URGENT" }, '--priority takes BATCH, LOW, MEDIUM, HIGH, CRITICAL, 0 to 4, or mix, not "URGENT"'],
    [{ priority: 5 }, "--priority"],
    [{ topic: "" }, "--topic"],
    [{ topic: "x".repeat(65_536) }, "--topic takes up to 65535 bytes, this one has 65536"],
    [{ host: "" }, "--host"],
    [{ topic: ["a", "b"] }, "--topic was given 2 times"],
    [{ udp: true, ack: true }, "--ack needs TCP"],
    [{ udp: true, size: 65_000 }, "use TCP or a smaller --size"],
  ])("%j", (raw, expected) => {
    expect(() => checkSendOptions(raw)).toThrow(UsageError);
    expect(() => checkSendOptions(raw)).toThrow(expected);
  });
});

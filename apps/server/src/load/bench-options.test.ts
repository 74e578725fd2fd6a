import { describe, expect, test } from "vitest";
import { UsageError } from "../commands/usage-error.ts";
import { checkBenchOptions } from "./bench-options.ts";

test("without options, a server of its own gets as much as it takes for ten seconds", () => {
  expect(checkBenchOptions({})).toEqual({
    target: undefined,
    connections: 1,
    frames: { topic: "order.created", priority: "MEDIUM", sizeBytes: 32, ack: false, crc: false, id: false },
    udp: false,
    rate: Infinity,
    durationSeconds: 10,
    leastFrames: 1,
    mostFrames: Math.floor(262_144 / 52),
    window: 65_536,
    timeoutMs: 30_000,
  });
  expect(checkBenchOptions({ max: true })).toEqual(checkBenchOptions({}));
});

test("a rate, a duration, connections and acknowledgements are taken as written", () => {
  const options = checkBenchOptions({ rate: 1_000, duration: 0.5, connections: 3, ack: true, window: 100, size: 0 });
  expect(options).toMatchObject({ rate: 1_000, durationSeconds: 0.5, connections: 3, window: 100 });
  expect(options.frames).toMatchObject({ ack: true, sizeBytes: 0 });
  // No more than may be unanswered is sent at once.
  expect(options.mostFrames).toBe(100);
});

test.each([
  [{ target: "127.0.0.1:9100" }, { host: "127.0.0.1", port: 9100, http: "http://127.0.0.1:8080" }],
  [{ target: "[::1]:9000" }, { host: "::1", port: 9000, http: "http://[::1]:8080" }],
  [
    { target: "a.b:1", http: "c.d:2" },
    { host: "a.b", port: 1, http: "http://c.d:2" },
  ],
  [
    { target: "a.b:1", http: "https://c.d/" },
    { host: "a.b", port: 1, http: "https://c.d" },
  ],
])("%j is the target %j", (raw, target) => {
  expect(checkBenchOptions(raw).target).toEqual(target);
});

test("a datagram has what fits into an Ethernet frame, or as many events as asked for", () => {
  expect(checkBenchOptions({ udp: true })).toMatchObject({ udp: true, leastFrames: 1, mostFrames: 26 });
  expect(checkBenchOptions({ udp: true, size: 2_000 })).toMatchObject({ leastFrames: 1, mostFrames: 1 });
  expect(checkBenchOptions({ udp: true, framesPerDatagram: 7 })).toMatchObject({ leastFrames: 7, mostFrames: 7 });
});

describe("priorities", () => {
  test.each([
    ["high", "HIGH"],
    ["4", "CRITICAL"],
    ["mix", "mix"],
    ["HIGH=1", ["HIGH"]],
    ["low=2, BATCH=2", ["LOW", "BATCH", "LOW", "BATCH"]],
    ["HIGH=0,LOW=1", ["LOW"]],
  ])("%s is %j", (written, priority) => {
    expect(checkBenchOptions({ priority: written }).frames.priority).toEqual(priority);
  });

  test("HIGH=1,LOW=4 is one in five, spread evenly", () => {
    const turn = checkBenchOptions({ priority: "HIGH=1,LOW=4" }).frames.priority;
    expect(turn).toEqual(["LOW", "LOW", "HIGH", "LOW", "LOW"]);
  });
});

describe("a wrong value is told before anything is started", () => {
  test.each([
    [{ rate: 1, max: true }, "--rate and --max exclude each other"],
    [{ rate: 0 }, "--rate takes a whole number from 1"],
    [{ duration: 0 }, "--duration takes seconds from 0.1 to 86400, not 0"],
    [{ duration: "x" }, "--duration"],
    [{ duration: true }, "--duration"],
    [{ connections: 0 }, "--connections takes a whole number from 1 to 1024, not 0"],
    [{ size: -1 }, "--size"],
    [{ window: "" }, "--window"],
    [{ timeout: 0 }, "--timeout"],
    [{ topic: "" }, "--topic"],
    [{ topic: ["a", "b"] }, "--topic was given 2 times"],
    [{ target: "localhost" }, '--target takes host:port, like 127.0.0.1:9000, not "localhost"'],
    [{ target: "a:0" }, "--target"],
    [{ target: "a:65536" }, "--target"],
    [{ target: "a:1", http: "http://" }, "--http takes the server's HTTP address"],
    [{ http: "http://a:1" }, "--http needs --target"],
    [{ udp: true, ack: true }, "--ack needs TCP"],
    [{ udp: true, size: 65_000 }, "use TCP or a smaller --size"],
    [{ framesPerDatagram: 2 }, "--frames-per-datagram needs --udp"],
    [{ udp: true, framesPerDatagram: 10_000 }, "--frames-per-datagram takes a whole number from 1 to 1250, not 10000"],
    [{ priority: "URGENT" }, "--priority"],
    [{ priority: "HIGH=1,URGENT=1" }, "--priority"],
    [{ priority: "HIGH=1,HIGH=2" }, "each priority once"],
    [{ priority: "HIGH=" }, "weights like HIGH=1,LOW=4"],
    [{ priority: "HIGH=1,LOW" }, "weights like HIGH=1,LOW=4"],
    [{ priority: "HIGH=-1" }, "--priority HIGH takes a whole number from 0"],
    [{ priority: "HIGH=0" }, "add up to 1 to 1000, these make 0"],
    [{ priority: "HIGH=600,LOW=600" }, "add up to 1 to 1000, these make 1200"],
  ])("%j", (raw, expected) => {
    expect(() => checkBenchOptions(raw)).toThrow(UsageError);
    expect(() => checkBenchOptions(raw)).toThrow(expected);
  });
});

import { isUtf8 } from "node:buffer";
import { crc32 } from "node:zlib";
import { Arena } from "@esc/arena";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createCrcTable, EventKernel, matchTopic } from "./index.ts";

const arena = Arena.create({ bytes: 1 << 18 });
createCrcTable(arena);
const kernel = new EventKernel(arena, 1 << 17);

/** Bytes without a pattern, the same in every run. */
const noise = Buffer.alloc(70_016);
for (let i = 0, state = 1; i < noise.length; i++) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  noise[i] = state >>> 24;
}

test("CRC-32 is zlib's at every alignment for every length to 600: blocks, heads, and where folding begins", () => {
  for (let from = 0; from < 16; from++) {
    for (let length = 0; length <= 600; length++) {
      const bytes = noise.subarray(0, from + length);
      if (kernel.crc32(bytes, from) !== crc32(bytes.subarray(from))) throw new Error(`differs at ${from}, ${length}`);
    }
  }
});

test("CRC-32 is zlib's for every length to 70,000", () => {
  for (let length = 0; length <= 70_000; length++) {
    const from = (length * 7) & 15;
    const bytes = noise.subarray(0, from + length);
    if (kernel.crc32(bytes, from) !== crc32(bytes.subarray(from))) throw new Error(`differs at ${from}, ${length}`);
  }
});

test("CRC-32 is zlib's, for any bytes at any alignment", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 16, maxLength: 5_000 }),
      fc.nat({ max: 16 }),
      (bytes, from) => kernel.crc32(bytes, from) === crc32(bytes.subarray(from)),
    ),
  );
});

test("CRC-32 changes with every single bit, wherever the bytes go through vectors", () => {
  const bytes = Buffer.from(noise.subarray(0, 600));
  const before = kernel.crc32(bytes);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flip = 1 << (bit & 7);
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ flip;
    if (kernel.crc32(bytes) === before) throw new Error(`bit ${bit} makes no difference`);
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ flip;
  }
});

test("UTF-8 is well-formed exactly when Node says so", () => {
  const nearly = fc
    .tuple(
      fc.string({ unit: "binary", maxLength: 20 }),
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 0, max: 255 }),
    )
    .map(([text, at, byte]) => {
      const bytes = Buffer.from(text);
      if (at < bytes.length) bytes[at] = byte;
      return new Uint8Array(bytes);
    });
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array({ maxLength: 12 }), nearly),
      (bytes) => kernel.validUtf8(bytes) === isUtf8(bytes),
    ),
    { numRuns: 20_000 },
  );
});

test("every two-byte and three-byte lead with every second byte is judged as Node judges it", () => {
  for (let lead = 0xc0; lead <= 0xff; lead++) {
    for (let second = 0; second <= 0xff; second++) {
      for (const tail of [[], [0x80], [0x80, 0x80]]) {
        const bytes = Uint8Array.from([lead, second, ...tail]);
        if (kernel.validUtf8(bytes) !== isUtf8(bytes)) throw new Error(`differs on ${[...bytes]}`);
      }
    }
  }
});

test("the topic hash never changes: it stands in logs", () => {
  expect(kernel.hashTopic("order.created")).toBe(kernel.hashTopic("order.created"));
  const pinned = ["a", "ab", "abc", "abcd", "order.created", "x".repeat(64)].map((topic) => kernel.hashTopic(topic));
  expect(pinned).toMatchInlineSnapshot(`
    [
      577602099,
      1985696978,
      1192926532,
      2681386717,
      3453345962,
      1067609011,
    ]
  `);
});

test("the hash spreads: a hundred thousand topics fill most of as many buckets as chance would", () => {
  const buckets = new Set<number>();
  for (let i = 0; i < 100_000; i++) buckets.add(kernel.hashTopic(`device.${i}.temperature`) & 0x1ffff);
  // 131,072 buckets: chance leaves 1 - e^(-0.763) = 53% of them filled, 69,900.
  expect(buckets.size).toBeGreaterThan(68_000);
});

test.each([
  ["order.created", "order.created", true],
  ["order.*", "order.created", true],
  ["order.*", "order", false],
  ["order.*", "order.", false],
  ["order.*", "order.eu.created", false],
  ["order.>", "order.eu.created", true],
  ["order.>", "order", false],
  ["*.created", "order.created", true],
  ["*/temp", "room/temp", true],
  ["*/temp", "room.temp", false],
  [">", "anything/at.all", true],
  ["*", "one", true],
  ["*", "one.two", false],
  ["a.*.c.>", "a.b.c.d.e", true],
  ["a.*.c.>", "a.b.x.d.e", false],
])("pattern %s on topic %s: %s", (pattern, topic, expected) => {
  expect(matchTopic(pattern, topic)).toBe(expected);
  expect(kernel.matches(pattern, topic)).toBe(expected);
});

test("the kernel's matcher and TopicPattern agree on everything", () => {
  const level = fc.constantFrom("a", "b", "order", "*", "é");
  const separated = (parts: fc.Arbitrary<string>) =>
    fc
      .array(fc.tuple(parts, fc.constantFrom(".", "/")), { minLength: 1, maxLength: 5 })
      .map((pairs) => pairs.map(([part, separator], i) => (i === 0 ? part : separator + part)).join(""));
  const pattern = fc.tuple(separated(level), fc.constantFrom("", ".>", "/>")).map(([levels, rest]) => levels + rest);
  const topic = separated(fc.constantFrom("a", "b", "order", "é", ""));
  fc.assert(
    fc.property(
      pattern,
      topic.filter((text) => text !== ""),
      (p, t) => kernel.matches(p, t) === matchTopic(p, t),
    ),
    { numRuns: 5_000 },
  );
});

test.each(["", "order.x*", "a.>.b", ">a"])("%j is no pattern", (text) => {
  expect(() => matchTopic(text, "a")).toThrow(expect.objectContaining({ code: "ESC_TOPIC_PATTERN" }));
});

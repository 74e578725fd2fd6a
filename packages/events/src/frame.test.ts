import fc from "fast-check";
import { expect, test } from "vitest";
import { AckDecoder, encodeAnswer, encodeFrame, Priority, RefusalCode, refusalName, refusalText } from "./index.ts";

test("a plain frame is the documented bytes", () => {
  const frame = encodeFrame({ topic: "ab", payload: Buffer.from("xyz"), priority: Priority.HIGH });
  expect(Buffer.from(frame).toString("hex")).toBe("00000008" + "03" + "0002" + "6162" + "78797a");
});

test("an extended frame carries id, acknowledge and CRC-32 where the control byte says so", () => {
  const id = new Uint8Array(16).fill(0xaa);
  const frame = encodeFrame({ topic: "t", payload: new Uint8Array(0), priority: 0, id, ack: true, crc: true });
  expect(frame[4]).toBe(0x70);
  expect(Buffer.from(frame).toString("hex", 7, 23)).toBe("aa".repeat(16));
  expect(frame.length).toBe(4 + 3 + 16 + 1 + 4);
});

test.each([
  ["ESC_FRAME_TOPIC", { topic: "", payload: new Uint8Array(0), priority: 0 as const }],
  ["ESC_FRAME_TOPIC", { topic: "x".repeat(65_536), payload: new Uint8Array(0), priority: 0 as const }],
  ["ESC_FRAME_ID", { topic: "t", payload: new Uint8Array(0), priority: 0 as const, id: new Uint8Array(15) }],
])("%s: a frame that can't be is refused where it is made", (code, input) => {
  expect(() => encodeFrame(input)).toThrow(expect.objectContaining({ code }));
});

test("answers survive any split of the stream", () => {
  const answer = fc.record({
    kind: fc.constantFrom(1 as const, 2 as const, 3 as const),
    n: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    code: fc.integer({ min: 0, max: 255 }),
    text: fc.string({ maxLength: 50 }),
  });
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 10 }), fc.array(fc.integer({ min: 1, max: 30 })), (answers, sizes) => {
      const stream = Buffer.concat(answers.map(({ kind, n, code, text }) => encodeAnswer(kind, n, code, text)));
      const decoder = new AckDecoder();
      const decoded = [];
      for (let at = 0, i = 0; at < stream.length; i++) {
        const end = at + (sizes[i % Math.max(1, sizes.length)] ?? 7);
        decoded.push(...decoder.push(stream.subarray(at, end)));
        at = end;
      }
      expect(decoded).toEqual(answers.map((one) => ({ ...one, text: Buffer.from(one.text).toString() })));
    }),
  );
});

test("bytes that are no answers are an error, not a wait for more", () => {
  const http = Buffer.from("HTTP/1.1 400 Bad Request\r\n");
  expect(() => new AckDecoder().push(http)).toThrow(expect.objectContaining({ code: "ESC_ANSWER_INVALID" }));
});

test("every refusal has a name and words", () => {
  for (const [name, code] of Object.entries(RefusalCode)) {
    expect(refusalName(code)).toBe(name);
    expect(refusalText(code)).not.toMatch(/code/);
  }
  expect(refusalText(99)).toBe("refused with code 99");
});

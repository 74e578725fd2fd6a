import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatCpuList, parseCpuList } from "./index.ts";

describe("a list of CPUs", () => {
  test("is read as the kernel writes it", () => {
    expect(parseCpuList("0-3,8\n")).toEqual([0, 1, 2, 3, 8]);
    expect(parseCpuList("\n")).toEqual([]);
  });

  test("comes back from its text, in any order and with repetitions", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(8_191)), (numbers) => {
        expect(parseCpuList(formatCpuList(numbers))).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      }),
    );
  });

  test.each(["abc", "3-1", "1,,2", "-1", "0-8192", "0-99999999999", "1.5", "0x3", "0-3-5"])(
    "is refused: %s",
    (text) => {
      expect(parseCpuList(text)).toBeUndefined();
    },
  );

  test("of any text is either undefined or ascending", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."0123456789,- \n") }), (text) => {
        const numbers = parseCpuList(text) ?? [];
        expect(numbers.every((number, index) => index === 0 || number > (numbers[index - 1] as number))).toBe(true);
      }),
    );
  });
});

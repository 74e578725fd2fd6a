import fc from "fast-check";
import { expect, test } from "vitest";
import { Arena, BytesView } from "./index.ts";
import { moveView, regionAddress } from "./kernel.ts";

function window(length: number): { view: BytesView; all: Uint8Array; start: number } {
  const arena = Arena.create({ bytes: 1_000 });
  const region = arena.allocate("a", length);
  return {
    view: moveView(new BytesView(arena), regionAddress(region), length),
    all: new Uint8Array(arena.memory.buffer),
    start: regionAddress(region),
  };
}

test("what is set is what is got, little-endian, for every width", () => {
  const { view, all, start } = window(32);
  view.setUint8(0, 0xab);
  view.setUint16(1, 0x0102);
  view.setInt32(4, -2);
  view.setUint32(8, 0xfffffffe);
  view.setFloat64(16, Math.PI);
  view.setBigUint64(24, 2n ** 64n - 1n);
  expect([view.getUint8(0), view.getUint16(1), view.getInt32(4), view.getUint32(8)]).toEqual([
    0xab, 0x0102, -2, 0xfffffffe,
  ]);
  expect([view.getFloat64(16), view.getBigUint64(24)]).toEqual([Math.PI, 2n ** 64n - 1n]);
  expect([...all.subarray(start + 1, start + 3)]).toEqual([2, 1]);
});

test("nothing outside of the window is read or written, at any offset and width", () => {
  const { view, all, start } = window(16);
  const accesses: [number, (at: number) => unknown][] = [
    [1, (at) => view.getUint8(at)],
    [1, (at) => view.setUint8(at, 1)],
    [2, (at) => view.getUint16(at)],
    [2, (at) => view.setUint16(at, 1)],
    [4, (at) => view.getInt32(at)],
    [4, (at) => view.setInt32(at, 1)],
    [4, (at) => view.getUint32(at)],
    [4, (at) => view.setUint32(at, 1)],
    [8, (at) => view.getFloat64(at)],
    [8, (at) => view.setFloat64(at, 1)],
    [8, (at) => view.getBigUint64(at)],
    [8, (at) => view.setBigUint64(at, 1n)],
    [5, (at) => view.set(new Uint8Array(5), at)],
  ];
  fc.assert(
    fc.property(fc.integer({ min: -20, max: 40 }), fc.constantFrom(...accesses), (at, [width, access]) => {
      const outside = all.slice(start + 16, start + 64);
      if (at >= 0 && at + width <= 16) access(at);
      else expect(() => access(at)).toThrow(/are not within the 16/);
      expect(all.slice(start + 16, start + 64)).toEqual(outside);
    }),
  );
});

test("bytes are copied in and out; a copy stays what it was, the window's array doesn't", () => {
  const { view } = window(4);
  view.set(Uint8Array.of(1, 2, 3, 4));
  const copy = view.copy();
  const live = view.bytes();
  const target = new Uint8Array(6);
  expect(view.copyTo(target, 1)).toBe(4);
  view.setUint8(0, 9);
  expect([...copy]).toEqual([1, 2, 3, 4]);
  expect([...live]).toEqual([9, 2, 3, 4]);
  expect([...target]).toEqual([0, 1, 2, 3, 4, 0]);
  expect(() => view.copyTo(target, 3)).toThrow(/4 bytes at byte 3 are not within the 6/);
});

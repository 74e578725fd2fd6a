/** What every `LogStore` must do: the same tests for each kind of log, with real records. */
import { describe, expect, test } from "vitest";
import type { LogStore, ReadFrom } from "./index.ts";
import { FIRST_TIME_MS, makeRecords } from "./records.fixture.ts";

/** Appends events as one piece. */
export function append(log: LogStore, payloads: readonly (string | Uint8Array)[]): void {
  const first = log.nextSequence;
  const { bytes } = makeRecords(payloads, first);
  log.append(bytes, 0, bytes.length, first, payloads.length);
}

/** What a reader gives out, as `sequence:payload`. */
export function readAll(log: LogStore, from: ReadFrom = {}): string[] {
  using reader = log.read(from);
  return Array.from(reader, (view) => `${view.sequence}:${view.text()}`);
}

/**
 * @param open an empty log that begins at sequence 1, whose pieces for `truncateBefore` are single appends of records
 *   that take more than 50 bytes together.
 */
export function logStoreContract(name: string, open: () => LogStore): void {
  describe(`${name}, as every log`, () => {
    test("is empty at first: nothing to read, and the next sequence is the first", () => {
      const log = open();
      expect([log.firstSequence, log.nextSequence, log.durableSequence]).toEqual([1, 1, 1]);
      expect(readAll(log)).toEqual([]);
      expect(readAll(log, { fromTimeMs: 0 })).toEqual([]);
      log.close();
    });

    test("gives back what was appended, in order and as it was", () => {
      const log = open();
      append(log, ["one", "two"]);
      append(log, ["", "four"]);
      expect(readAll(log)).toEqual(["1:one", "2:two", "3:", "4:four"]);
      log.close();
    });

    test("is durable up to the last sync, and no further", () => {
      const log = open();
      append(log, ["one", "two"]);
      expect(log.durableSequence).toBe(1);
      log.sync();
      append(log, ["three"]);
      expect([log.durableSequence, log.nextSequence]).toEqual([3, 4]);
      log.close();
    });

    test("refuses any but the next sequence, and is as it was", () => {
      const log = open();
      append(log, ["one"]);
      const { bytes } = makeRecords(["three"], 3);
      expect(() => log.append(bytes, 0, bytes.length, 3, 1)).toThrow(
        expect.objectContaining({ code: "ESC_LOG_SEQUENCE" }),
      );
      append(log, ["two"]);
      expect(readAll(log)).toEqual(["1:one", "2:two"]);
      expect(log.failure).toBeUndefined();
      log.close();
    });

    test("takes a piece out of a larger memory", () => {
      const log = open();
      const { bytes, offsets } = makeRecords(["one", "two", "three"]);
      const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 16));
      shared.set(bytes, 16);
      log.append(shared, 16, offsets[2] as number, 1, 2);
      log.append(shared, 16 + (offsets[2] as number), bytes.length - (offsets[2] as number), 3, 1);
      expect(readAll(log)).toEqual(["1:one", "2:two", "3:three"]);
      log.close();
    });

    test.each([
      [{ fromSequence: 1 }, 1],
      [{ fromSequence: 37 }, 37],
      [{ fromSequence: 100 }, 100],
      [{ fromSequence: 101 }, undefined],
      [{ fromTimeMs: 0 }, 1],
      [{ fromTimeMs: FIRST_TIME_MS }, 1],
      [{ fromTimeMs: FIRST_TIME_MS + 36 }, 37],
      [{ fromTimeMs: FIRST_TIME_MS + 100 }, undefined],
      [{ fromEnd: true }, undefined],
    ])("reads from %j on: the first is %s", (from, first) => {
      const log = open();
      const payloads = Array.from({ length: 100 }, (_, i) => String(i + 1));
      const { bytes, offsets } = makeRecords(payloads);
      for (let i = 0; i < 100; i += 10) {
        const end = offsets[i + 10] ?? bytes.length;
        log.append(bytes, offsets[i] as number, end - (offsets[i] as number), i + 1, 10);
      }
      const expected = first === undefined ? [] : payloads.slice(first - 1).map((text) => `${text}:${text}`);
      expect(readAll(log, from)).toEqual(expected);
      log.close();
    });

    test("a reader at the end goes on with what is appended later", () => {
      const log = open();
      append(log, ["one"]);
      using fromStart = log.read();
      using fromEnd = log.read({ fromEnd: true });
      const take = (reader: typeof fromStart) => Array.from(reader, (view) => view.text());
      expect([take(fromStart), take(fromEnd)]).toEqual([["one"], []]);
      append(log, ["two"]);
      append(log, ["three"]);
      expect([take(fromStart), take(fromEnd)]).toEqual([
        ["two", "three"],
        ["two", "three"],
      ]);
      log.close();
    });

    test("gives up what is before a sequence by the piece, never a record at it or behind, and never the last piece", () => {
      const log = open();
      for (let i = 0; i < 4; i++) append(log, [`${i}`.repeat(20), `${i}`.repeat(20)]);
      log.sync();
      expect(log.truncateBefore(4)).toBe(2);
      expect([log.firstSequence, readAll(log).length]).toEqual([3, 6]);
      expect(log.truncateBefore(4)).toBe(0);
      expect(log.truncateBefore(5)).toBe(2);
      expect(log.truncateBefore(1_000)).toBe(2);
      expect([log.firstSequence, log.nextSequence, log.durableSequence]).toEqual([7, 9, 9]);
      append(log, ["more"]);
      expect(readAll(log).map((line) => line.split(":")[0])).toEqual(["7", "8", "9"]);
      log.close();
    });
  });
}

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Stats } from "../stats.ts";
import { isLoss, judge, readCounts, settledCounts } from "./referee.ts";

/** Counts of a server; what isn't said is 0. */
function counts(
  some: Partial<Pick<Stats, "accepted" | "replayed" | "processed" | "deadLettered" | "stored">> & {
    dropped?: number;
    refused?: number;
    depthBytes?: number;
  },
): Stats {
  const { accepted = 0, replayed = 0, processed = 0, deadLettered = 0, stored = 0, ...rest } = some;
  const { dropped = 0, refused = 0, depthBytes = 0 } = rest;
  return {
    ...{ accepted, replayed, processed, deadLettered, stored },
    dropped: { lane_full_batch: dropped, dead_letters_full: 0 },
    refused: { crc: refused },
    lanes: { realtime: { depthBytes }, transactional: { depthBytes: 0 }, batch: { depthBytes: 0 } },
  } as unknown as Stats;
}

const before = counts({ accepted: 100, replayed: 7, processed: 107 });

describe("the verdict", () => {
  test("every event somewhere is no loss; the figures are of this run", () => {
    const after = counts({
      accepted: 200,
      replayed: 7,
      processed: 190,
      deadLettered: 10,
      dropped: 7,
      refused: 5,
      stored: 1,
    });
    const verdict = judge(before, after, 105);
    expect(verdict).toEqual({
      ...{ accepted: 100, processed: 83, deadLettered: 10, stored: 1, inLanes: 0 },
      dropped: { lane_full_batch: 7 },
      refused: { crc: 5 },
      ...{ duplicates: 0, cancelled: 0, unaccounted: 0, notReceived: 0, others: 0 },
    });
    expect(isLoss(verdict, false)).toBe(false);
  });

  test.each([1, -1])("%i events more accepted than came out is a loss, over TCP and UDP", (missing) => {
    const verdict = judge(before, counts({ accepted: 200, replayed: 7, processed: 207 - missing }), 100);
    expect(verdict).toMatchObject({ unaccounted: missing, inLanes: 0 });
    expect([isLoss(verdict, false), isLoss(verdict, true)]).toEqual([true, true]);
  });

  test("what is still in a lane is no loss", () => {
    const verdict = judge(before, counts({ accepted: 200, replayed: 7, processed: 150, depthBytes: 64 }), 100);
    expect(verdict).toMatchObject({ unaccounted: 0, inLanes: 57 });
    expect(isLoss(verdict, false)).toBe(false);
  });

  test("more out than in is a loss also while a lane has something", () => {
    const verdict = judge(before, counts({ accepted: 200, replayed: 7, processed: 208, depthBytes: 64 }), 100);
    expect(verdict).toMatchObject({ unaccounted: -1, inLanes: 0 });
    expect(isLoss(verdict, false)).toBe(true);
  });

  test("sent and never received is a loss over TCP, and the network's doing over UDP", () => {
    const verdict = judge(before, counts({ accepted: 190, replayed: 7, processed: 197 }), 100);
    expect(verdict).toMatchObject({ notReceived: 10, unaccounted: 0, others: 0 });
    expect([isLoss(verdict, false), isLoss(verdict, true)]).toEqual([true, false]);
  });

  test("what others send meanwhile is told", () => {
    expect(judge(before, counts({ accepted: 203, replayed: 7, processed: 210 }), 100)).toMatchObject({ others: 3 });
  });

  test("duplicates and cancelled events are somewhere, too; what handlers emit is not somebody else's", () => {
    const after = {
      ...counts({ accepted: 205, replayed: 7, processed: 205 }),
      duplicates: 4,
      cancelled: 3,
      emitted: 5,
    };
    const verdict = judge(before, after, 100);
    expect(verdict).toMatchObject({ duplicates: 4, cancelled: 3, unaccounted: 0, notReceived: 0, others: 0 });
    expect(judge(before, { ...after, emitted: 0 }, 100)).toMatchObject({ others: 5 });
    expect(judge(before, { ...after, duplicates: 3 }, 100)).toMatchObject({ unaccounted: 1 });
  });

  test("events that a lane holds or delays are no loss, also when its ring is empty", () => {
    const after = counts({ accepted: 200, replayed: 7, processed: 200 });
    const holding = { ...after, lanes: { ...after.lanes, batch: { ...after.lanes.batch, held: 3, delayed: 4 } } };
    expect(judge(before, holding, 100)).toMatchObject({ inLanes: 7, unaccounted: 0 });
    expect(judge(before, after, 100)).toMatchObject({ inLanes: 0, unaccounted: 7 });
  });

  test("counts that go back are another server's", () => {
    const restarted = expect.objectContaining({ code: "ESC_BENCH_RESTARTED" });
    expect(() => judge(before, counts({ accepted: 5, processed: 5 }), 100)).toThrow(restarted);
  });
});

describe("asking", () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  /** Answers one after the other, the last one for ever. */
  async function serve(...answers: readonly (Stats | string)[]) {
    let asked = 0;
    const server = createServer((_, response) => {
      const answer = answers[Math.min(asked++, answers.length - 1)];
      response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { http: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked };
  }

  const rest = { before, sent: 100, udp: false, timeoutMs: 60_000, signal: new AbortController().signal };

  test("goes on until all is received and out of the lanes", async () => {
    const done = counts({ accepted: 200, replayed: 7, processed: 207 });
    const { http, asked } = await serve(
      counts({ accepted: 150, replayed: 7, processed: 157 }),
      counts({ accepted: 200, replayed: 7, processed: 180, depthBytes: 8 }),
      counts({ accepted: 200, replayed: 7, processed: 207, depthBytes: 8 }),
      done,
    );
    expect((await settledCounts({ ...rest, http })).counts).toEqual(done);
    expect(asked()).toBe(4);
  });

  test("ends when nothing changes any more, or the run is interrupted", async () => {
    const stuck = counts({ accepted: 200, replayed: 7, processed: 180, depthBytes: 8 });
    const { http } = await serve(stuck);
    expect((await settledCounts({ ...rest, http, timeoutMs: 50 })).counts).toEqual(stuck);
    expect((await settledCounts({ ...rest, http, signal: AbortSignal.abort() })).counts).toEqual(stuck);
  });

  test("waits for datagrams only until those that came are worked off", async () => {
    const { http } = await serve(counts({ accepted: 190, replayed: 7, processed: 197 }));
    const { counts: last } = await settledCounts({ ...rest, http, udp: true });
    expect(judge(before, last, 100).notReceived).toBe(10);
  });

  test.each(["no JSON", "{}", '{"accepted":"1"}'])("an answer that is no counts says so: %s", async (answer) => {
    const { http } = await serve(answer);
    await expect(readCounts(http)).rejects.toThrow(/No counts from http.*the answer is 200 and no counts.*--http/);
  });

  test("nobody there says so", async () => {
    const { http } = await serve("");
    servers.splice(0)[0]?.close();
    await expect(readCounts(http)).rejects.toMatchObject({ code: "ESC_BENCH_STATS" });
    await expect(readCounts(http)).rejects.toThrow(/ECONNREFUSED.*--http/);
  });
});

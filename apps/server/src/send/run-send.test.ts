import dgram from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { UsageError } from "../commands/usage-error.ts";
import { runSend, type SendOutcome } from "./run-send.ts";
import { checkSendOptions, type RawSendOptions } from "./send-options.ts";

/** An answer as the wire format says: `u32 length · u8 kind · u64 n · u8 code · text`. */
function answer(kind: number, n: number, code = 0): Buffer {
  const bytes = Buffer.alloc(14);
  bytes.writeUInt32BE(10, 0);
  bytes.writeUInt8(kind, 4);
  bytes.writeBigUInt64BE(BigInt(n), 5);
  bytes.writeUInt8(code, 13);
  return bytes;
}

/** What a connection's frames are done with: called with the number of each, from 1. */
type OnFrame = (n: number, socket: net.Socket) => void;

const opened: { close(): unknown }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

/** A small server: counts frames by their lengths, hands each to `onFrame`, closes when the client has. */
async function serve(onFrame: OnFrame = () => undefined) {
  const seen = { frames: 0, payloads: [] as string[], sockets: new Set<net.Socket>() };
  const server = net.createServer((socket) => {
    seen.sockets.add(socket);
    let rest = Buffer.alloc(0);
    let n = 0;
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
        const end = 4 + rest.readUInt32BE(0);
        if (seen.payloads.length < 100) seen.payloads.push(rest.toString("utf8", 7 + rest.readUInt16BE(5), end));
        rest = rest.subarray(end);
        seen.frames++;
        onFrame(++n, socket);
      }
    });
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  opened.push({
    close: () => {
      for (const socket of seen.sockets) socket.destroy();
      server.close();
    },
  });
  return { port: (server.address() as AddressInfo).port, seen };
}

function send(raw: RawSendOptions, more: { signal?: AbortSignal; stdin?: PassThrough } = {}): Promise<SendOutcome> {
  return runSend(checkSendOptions({ timeout: 5_000, ...raw }), {
    stdin: more.stdin ?? new PassThrough(),
    signal: more.signal ?? new AbortController().signal,
  });
}

describe("over TCP", () => {
  test("every event arrives, and the summary says so", async () => {
    const { port, seen } = await serve();

    const { summary, code } = await send({ port, count: 20_000, size: 100, priority: "mix" });

    expect(code).toBe(0);
    expect(summary).toMatchObject({ sent: 20_000, bytes: 20_000 * (7 + 11 + 100), refused: {} });
    expect(summary).not.toHaveProperty("acked");
    expect(seen.frames).toBe(20_000);
  });

  test("a server that reads slowly holds the sender back, and gets everything", async () => {
    const { port, seen } = await serve((n, socket) => {
      if (n % 1_000 !== 0) return;
      socket.pause();
      setTimeout(() => socket.resume(), 2);
    });

    const { code } = await send({ port, count: 20_000, size: 1_000 });

    expect(code).toBe(0);
    expect(seen.frames).toBe(20_000);
  });

  test("with --ack the run ends once all are answered", async () => {
    const { port } = await serve((n, socket) => {
      if (n % 100 === 0 || n === 1_050) socket.write(answer(1, n));
    });

    const { summary, code } = await send({ port, count: 1_050, ack: true });

    expect(code).toBe(0);
    expect(summary).toMatchObject({ sent: 1_050, acked: 1_050, refused: {} });
  });

  test("with --ack no more than the window is unanswered", async () => {
    let answered = 0;
    let most = 0;
    const { port } = await serve((n, socket) => {
      most = Math.max(most, n - answered);
      setTimeout(() => {
        answered = Math.max(answered, n);
        socket.write(answer(1, n));
      }, 1);
    });

    const { code } = await send({ port, count: 200, ack: true, window: 10 });

    expect(code).toBe(0);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(10);
  });

  test("refused events are counted by reason, before and after their acknowledgement, and the code is 3", async () => {
    const { port } = await serve((n, socket) => {
      if (n === 3) socket.write(answer(2, 3, 10));
      if (n === 4) socket.write(answer(1, 4));
      if (n === 5) socket.write(answer(2, 5, 77));
    });

    const { summary, code } = await send({ port, count: 5, ack: true });

    expect(code).toBe(3);
    expect(summary).toMatchObject({ sent: 5, acked: 3, refused: { laneFull: 1, 77: 1 } });
  });

  test("when answers stop coming, the run ends after the timeout with code 3", async () => {
    const { port } = await serve((n, socket) => {
      if (n === 10) socket.write(answer(1, 10));
    });

    const { summary, code } = await send({ port, count: 20, ack: true, timeout: 100 });

    expect(code).toBe(3);
    expect(summary).toMatchObject({ sent: 20, acked: 10, error: "For 100 ms no acknowledgement came." });
  });

  test("a server that stops reading is told after the timeout", async () => {
    const { port } = await serve((_, socket) => socket.pause());

    const { summary, code } = await send({ port, count: 1_000_000, size: 1_000, timeout: 200 });

    expect(code).toBe(3);
    expect(summary.error).toBe("For 200 ms the server reads no more.");
  });

  test("a lost connection is code 1, with what was acknowledged until then", async () => {
    const { port } = await serve((n, socket) => {
      if (n === 10) socket.write(answer(1, 10), () => socket.destroy());
    });

    const { summary, code } = await send({ port, count: 1_000_000, ack: true });

    expect(code).toBe(1);
    expect(summary.acked).toBeLessThanOrEqual(10);
    expect(summary.error).toMatch(/connection/);
  });

  test("a server that answers nonsense is code 1", async () => {
    const { port } = await serve((_, socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));

    const { summary, code } = await send({ port, count: 1, ack: true });

    expect(code).toBe(1);
    expect(summary.error).toContain("is this an EventStreamCore server?");
  });

  test("nobody there is code 1, and a summary all the same", async () => {
    const { port, seen } = await serve();
    for (const one of opened.splice(0)) one.close();

    const { summary, code } = await send({ port });

    expect(code).toBe(1);
    expect(summary).toMatchObject({ sent: 0, error: expect.stringContaining("Is the server running?") });
    expect(seen.frames).toBe(0);
  });

  test("--rate spreads events over time", async () => {
    const { port, seen } = await serve();

    const { summary } = await send({ port, count: 30, rate: 100 });

    expect(seen.frames).toBe(30);
    // The last one goes out 290 ms after the first.
    expect(summary.seconds).toBeGreaterThan(0.25);
    expect(summary.seconds).toBeLessThan(2);
  });
});

describe("a file", () => {
  test("is sent line by line", async () => {
    const { port, seen } = await serve();
    const folder = mkdtempSync(join(tmpdir(), "esc-send-"));
    try {
      writeFileSync(join(folder, "lines"), '{"id":1}\r\n\n{"text":"a\u2028b"}');

      const { summary, code } = await send({ port, file: join(folder, "lines") });

      expect(code).toBe(0);
      expect(summary.sent).toBe(3);
      expect(seen.payloads).toEqual(['{"id":1}', "", '{"text":"a\u2028b"}']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("that can't be read is wrong usage", async () => {
    await expect(send({ file: "/nowhere/lines" })).rejects.toThrow(UsageError);
    await expect(send({ file: tmpdir() })).rejects.toThrow("that is a folder");
  });

  test("of standard input is sent while it comes, until --count", async () => {
    const { port, seen } = await serve();
    const stdin = new PassThrough();
    stdin.write("first\n");

    const run = send({ port, file: "-", count: 2 }, { stdin });
    await expect.poll(() => seen.payloads).toEqual(["first"]);
    stdin.write("second\nthird\n");

    expect((await run).summary.sent).toBe(2);
    expect(seen.payloads).toEqual(["first", "second"]);
  });
});

describe("an interrupted run tells what it did until then, code 3", () => {
  test("while it sends", async () => {
    const { port, seen } = await serve();
    const interruption = new AbortController();

    const run = send({ port, count: 1_000_000_000 }, { signal: interruption.signal });
    await expect.poll(() => seen.frames).toBeGreaterThan(1_000);
    interruption.abort();
    const { summary, code } = await run;

    expect(code).toBe(3);
    expect(summary).toMatchObject({ interrupted: true, sent: seen.frames });
    expect(summary).not.toHaveProperty("error");
  });

  test.each([
    ["waits for standard input", { file: "-" }],
    ["waits for its rate", { rate: 1, count: 10 }],
    ["waits for acknowledgements", { ack: true, count: 10, window: 1 }],
  ])("while it %s", async (_, raw) => {
    const { port } = await serve();
    const interruption = new AbortController();
    const started = performance.now();
    setTimeout(() => interruption.abort(), 50);

    const { summary, code } = await send({ port, timeout: 30_000, ...raw }, { signal: interruption.signal });

    expect(code).toBe(3);
    expect(summary.interrupted).toBe(true);
    expect(performance.now() - started).toBeLessThan(3_000);
  });
});

describe("over UDP", () => {
  test("frames are packed into datagrams that the wire carries whole", async () => {
    const socket = dgram.createSocket("udp4");
    opened.push(socket);
    const sizes: number[] = [];
    socket.on("message", (message) => sizes.push(message.length));
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));

    const { summary, code } = await send({ udp: true, port: socket.address().port, count: 100, size: 50 });

    expect(code).toBe(0);
    expect(summary).toMatchObject({ sent: 100, bytes: 100 * 68 });
    await expect.poll(() => sizes.reduce((sum, size) => sum + size, 0)).toBe(100 * 68);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_400);
    expect(sizes).toHaveLength(5);
  });

  test("a line that no datagram takes is wrong usage", async () => {
    const stdin = new PassThrough();
    stdin.end("x".repeat(70_000));

    const { summary, code } = await send({ udp: true, port: 9, file: "-" }, { stdin });

    expect(code).toBe(2);
    expect(summary.error).toContain("use TCP or smaller events");
  });
});

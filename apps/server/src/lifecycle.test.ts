import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Answers, connect, finish, plainFrame, writeAll } from "./testing/plain-frames.fixture.ts";
import { esc, ServerProcess, temporaryDirectory } from "./testing/server-process.fixture.ts";

const ACK = 0x20;

async function get(
  server: ServerProcess,
  path: string,
  method = "GET",
): Promise<{ status: number; type: string | null; body: string }> {
  const response = await fetch(`http://127.0.0.1:${server.httpPort}${path}`, { method });
  return { status: response.status, type: response.headers.get("content-type"), body: await response.text() };
}

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s: what was sent is acknowledged, stored and handled, the exit code is 0, the lock is given back",
  async (signal) => {
    await using server = await ServerProcess.start();
    const socket = await connect(server.tcpPort);
    const answers = new Answers(socket);
    for (let i = 0; i < 1_000; i++) await writeAll(socket, plainFrame((i % 5) | ACK, "order.created", String(i)));
    await answers.until(() => answers.durable > 0);
    server.kill(signal);
    expect(await server.exited).toBe(0);
    await new Promise((resolve) => (socket.closed ? resolve(undefined) : socket.once("close", resolve)));
    const { stdout } = await esc("log", "verify", server.dataDir, "--json");
    const { sound, events } = JSON.parse(stdout) as { sound: boolean; events: number };
    expect(sound).toBe(true);
    expect(events).toBeGreaterThanOrEqual(answers.durable);
    expect(existsSync(join(server.dataDir, "LOCK"))).toBe(false);
  },
);

test("a second signal ends at once, also while a handler hangs", async () => {
  const dir = temporaryDirectory();
  writeFileSync(join(dir, "hang.mjs"), `export default { topics: ">", handle() { for (;;); } };`);
  writeFileSync(join(dir, "esc.yaml"), "handlers: [./hang.mjs]\n");
  await using server = await ServerProcess.start({ args: ["--config", join(dir, "esc.yaml")] });
  const socket = await connect(server.tcpPort);
  socket.on("error", () => undefined);
  await writeAll(socket, plainFrame(2, "a", "b"));
  await server.statsWhen((s) => s.stored === 1);
  server.kill("SIGTERM");
  await server.line("stopping");
  // Signals within 50 ms of the answer count as one: a terminal and a launcher both pass Ctrl-C on.
  await new Promise((resolve) => setTimeout(resolve, 60));
  server.kill("SIGTERM");
  expect(await server.exited).toBe(1);
  expect(server.lines.at(-1)).toMatchObject({ msg: "ending at once" });
});

test("the copies of one Ctrl-C, as a terminal and npm send them, stop the server in order", async () => {
  await using server = await ServerProcess.start();
  for (let copies = 0; copies < 3; copies++) server.kill("SIGINT");
  expect(await server.exited).toBe(0);
  expect(server.lines.filter(({ msg }) => String(msg).startsWith("stopping"))).toHaveLength(1);
});

test("a signal before the server is ready abandons the start: a line, exit code 0, no lock left behind", async () => {
  const dir = temporaryDirectory();
  // A module that never ends loading, and says that it has begun.
  writeFileSync(
    join(dir, "slow.mjs"),
    `import { writeFileSync } from "node:fs";
     writeFileSync(${JSON.stringify(join(dir, "loading"))}, "");
     await new Promise((resolve) => setTimeout(resolve, 3_600_000));
     export default { topics: ">", handle() {} };`,
  );
  writeFileSync(join(dir, "esc.yaml"), "handlers: [./slow.mjs]\n");
  const ended = await ServerProcess.start({
    dataDir: dir,
    args: ["--config", join(dir, "esc.yaml")],
    onSpawn: (child) => {
      const timer = setInterval(() => {
        if (!existsSync(join(dir, "loading"))) return;
        clearInterval(timer);
        child.kill("SIGTERM");
      }, 10);
    },
  }).then(
    () => "started",
    (error: Error) => error.message,
  );
  expect(ended).toMatch(/ended with 0 before it was ready.*the start is abandoned.*stopped before it was ready/s);
  expect(existsSync(join(dir, "LOCK"))).toBe(false);
});

test("a handler that hangs does not keep the server from stopping within its grace; its event is taken up after the next start", async () => {
  const dir = temporaryDirectory();
  writeFileSync(join(dir, "hang.mjs"), `export default { topics: ">", handle() { for (;;); } };`);
  writeFileSync(join(dir, "esc.yaml"), "handlers: [./hang.mjs]\n");
  await using server = await ServerProcess.start({
    args: ["--config", join(dir, "esc.yaml")],
    env: { ESC_SHUTDOWN_GRACE_MS: "500" },
  });
  const socket = await connect(server.tcpPort);
  const answers = new Answers(socket);
  await writeAll(socket, plainFrame(2 | ACK, "a", "b"));
  await answers.until(() => answers.durable === 1);
  await server.statsWhen((s) => s.lanes.transactional.depthBytes > 0);
  expect(await server.stop()).toBe(0);
  const again = await ServerProcess.start({ dataDir: server.dataDir });
  const stats = await again.statsWhen((s) => s.processed === 1);
  expect(stats).toMatchObject({ accepted: 0, replayed: 1, processed: 1 });
  expect(await again.stop()).toBe(0);
});

test("probes: alive and ready; metrics and stats are there; everything else is a clear no", async () => {
  await using server = await ServerProcess.start();
  expect(await get(server, "/healthz")).toMatchObject({ status: 200, body: expect.stringContaining('"status":"ok"') });
  expect(await get(server, "/readyz?verbose")).toMatchObject({
    status: 200,
    body: expect.stringContaining('"ready":true'),
  });
  const socket = await connect(server.tcpPort);
  await writeAll(socket, plainFrame(4, "a.b", "c"));
  await finish(socket);
  await server.statsWhen((s) => s.processed === 1);
  const metrics = await get(server, "/metrics");
  expect(metrics).toMatchObject({ status: 200, type: "text/plain; version=0.0.4; charset=utf-8" });
  expect(metrics.body).toContain('esc_events_accepted_total{lane="realtime"} 1\n');
  expect(metrics.body).toContain("esc_ready 1\n");
  expect(await get(server, "/nothing")).toMatchObject({
    status: 404,
    body: expect.stringContaining("ESC_HTTP_NOT_FOUND"),
  });
  expect(await get(server, "/healthz", "POST")).toMatchObject({ status: 405 });
});

test("while it drains the server is alive and not ready", async () => {
  const dir = temporaryDirectory();
  writeFileSync(
    join(dir, "slow.mjs"),
    `export default { topics: ">", handle: () => new Promise((resolve) => setTimeout(resolve, 300)) };`,
  );
  writeFileSync(join(dir, "esc.yaml"), "handlers: [./slow.mjs]\n");
  await using server = await ServerProcess.start({ args: ["--config", join(dir, "esc.yaml")] });
  const socket = await connect(server.tcpPort);
  await writeAll(socket, Buffer.concat([1, 2, 3].map((n) => plainFrame(2, "a", String(n)))));
  await server.statsWhen((s) => s.stored === 3);
  server.kill("SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await get(server, "/readyz")).toMatchObject({ status: 503, body: expect.stringContaining("draining") });
  expect((await get(server, "/healthz")).status).toBe(200);
  expect(await server.exited).toBe(0);
});

test("a port that is taken stops the start with the key to change, and leaves nothing behind", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as { port: number };
  for (const variable of ["ESC_INGESTION_TCP_PORT", "ESC_HTTP_PORT"]) {
    await expect(ServerProcess.start({ env: { [variable]: String(port) } })).rejects.toThrow(
      new RegExp(`127.0.0.1:${port} is in use by another process. Set (ingestion.tcp|http).port`),
    );
  }
  other.close();
});

test("a second server on the same data is refused with the first one's pid", async () => {
  await using server = await ServerProcess.start();
  await expect(ServerProcess.start({ dataDir: server.dataDir })).rejects.toThrow(
    `in use by the process with pid ${server.child.pid}`,
  );
});

test.each([
  ["a handler that isn't there", "handlers: [./nowhere.mjs]\n", /nowhere.mjs can't be loaded: there is no such file/],
  ["a handler without topics", "handlers: [./bad.mjs]\n", /`topics` must be a topic or pattern/],
  ["a configuration with an unknown key", "ingestion:\n  tcp:\n    prot: 1\n", /esc.yaml:3:5[\s\S]*port/],
])("%s stops the start with a sentence, no stack, exit code not 0", async (_, yaml, message) => {
  const dir = temporaryDirectory();
  writeFileSync(join(dir, "esc.yaml"), yaml);
  writeFileSync(join(dir, "bad.mjs"), "export default { handle() {} };");
  const failure = await ServerProcess.start({ args: ["--config", join(dir, "esc.yaml")] }).then(
    () => "started",
    (error: Error) => error.message,
  );
  expect(failure).toMatch(message);
  expect(failure).not.toMatch(/\n\s+at /);
});

test("an idle server uses under one hundredth of a core", async () => {
  await using server = await ServerProcess.start();
  const seconds = async () =>
    Number(/^process_cpu_seconds_total (\S+)$/m.exec((await get(server, "/metrics")).body)?.[1]);
  await seconds();
  const before = await seconds();
  const started = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  const used = (await seconds()) - before;
  // CPU time, not wall time: what else the machine does changes nothing. The two scrapes are in it.
  expect(used / ((performance.now() - started) / 1_000)).toBeLessThan(0.01);
});

test("a server out of file descriptors refuses connections, counts each, says so once, and goes on once there are some", async () => {
  await using server = await ServerProcess.start();
  // What it has open now, those that it keeps for its log, and a few more.
  const open = readdirSync(`/proc/${server.child.pid}/fd`).length;
  const limited = spawnSync("prlimit", ["--pid", String(server.child.pid), `--nofile=${open + 40}:`]);
  expect(limited.status).toBe(0);
  const sockets: Socket[] = [];
  for (let i = 0; i < 60; i++) {
    const socket = await connect(server.tcpPort);
    socket.on("error", () => undefined);
    sockets.push(socket);
  }
  const full = await server.statsWhen((s) => s.connections.opened + s.connections.refused === 60);
  expect(full.connections.opened + full.connections.refused).toBe(60);
  expect(full.connections.refused).toBeGreaterThan(10);
  for (const socket of sockets) socket.destroy();
  await server.statsWhen((s) => s.connections.open === 0);
  const socket = await connect(server.tcpPort);
  const answers = new Answers(socket);
  await writeAll(socket, plainFrame(2 | ACK, "a", "b"));
  await answers.until(() => answers.durable === 1);
  await finish(socket);
  expect((await server.stats()).accepted).toBe(1);
  expect(await server.stop()).toBe(0);
  const lines = server.lines.map(({ msg }) => String(msg)).filter((msg) => msg.startsWith("connections are"));
  expect(lines).toEqual([expect.stringContaining("refused: of"), expect.stringContaining("taken again")]);
});

test("esc log cat into a reader that has enough ends quietly", async () => {
  await using server = await ServerProcess.start();
  const socket = await connect(server.tcpPort);
  await writeAll(socket, Buffer.concat(Array.from({ length: 20_000 }, (_, i) => plainFrame(2, "a", String(i)))));
  await finish(socket);
  await server.statsWhen((s) => s.stored === 20_000);
  const cli = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
  const child = spawn("sh", ["-c", `"${process.execPath}" "${cli}" log cat "${server.dataDir}" | head -n 2`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output += chunk;
  });
  await new Promise((resolve) => child.once("close", resolve));
  expect(output.trim().split("\n")).toHaveLength(2);
});

test("the command line: help everywhere, unknown words are wrong usage with exit code 2", async () => {
  for (const args of [["--help"], ["start", "--help"], ["send", "--help"], ["log", "--help"], ["config", "--help"]]) {
    const { code, stdout } = await esc(...args);
    expect([args.join(" "), code]).toEqual([args.join(" "), 0]);
    expect(stdout).toContain("Usage");
  }
  for (const args of [["strat"], ["log", "look", "."], ["start", "--cofnig", "x"], []]) {
    const { code } = await esc(...args);
    expect([args.join(" "), code]).toEqual([args.join(" "), 2]);
  }
  for (const args of [
    ["start", "--config", "a.yaml", "--config", "b.yaml"],
    ["start", "--config="],
    ["start", "--config"],
    ["send", "--topic", "a", "--topic", "b"],
    ["log", "cat", temporaryDirectory(), "--topic", "a.>.b"],
    ["log", "cat", temporaryDirectory(), "--topic="],
    ["log", "cat", temporaryDirectory(), "--lane", "batch", "--lane", "realtime"],
  ]) {
    const { code, stderr } = await esc(...args);
    expect([args.join(" "), code, /\n\s+at |TypeError/.test(stderr)]).toEqual([args.join(" "), 2, false]);
  }
  // A number is a file's name like any other.
  for (const args of [
    ["start", "--config", "7"],
    ["config", "check", "7"],
  ]) {
    const { code, stderr } = await esc(...args);
    expect([args.join(" "), code, stderr]).toEqual([
      args.join(" "),
      1,
      expect.stringContaining("7: there is no such file"),
    ]);
  }
  expect((await esc("strat")).stderr).toContain("Did you mean start?");
  expect((await esc("log", "verify", "/nowhere/at/all")).code).toBe(1);
});

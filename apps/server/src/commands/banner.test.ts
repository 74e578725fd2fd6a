import { expect, test } from "vitest";
import { loadConfig } from "../config/load-config.ts";
import { hostPort } from "../host-port.ts";
import { esc, ServerProcess } from "../testing/server-process.fixture.ts";
import { banner } from "./banner.ts";

function shown(host: string): string {
  const { config } = loadConfig({ env: { ESC_INGESTION_TCP_HOST: host, ESC_HTTP_HOST: host }, cwd: "/" });
  return banner(config, { tcp: hostPort(host, 9000), udp: undefined, http: hostPort(host, 8080) });
}

test.each([
  ["127.0.0.1", "send --port 9000 --topic", "http://127.0.0.1:8080 "],
  ["0.0.0.0", "send --port 9000 --topic", "http://0.0.0.0:8080 "],
  ["10.1.2.3", "send --host 10.1.2.3 --port 9000 --topic", "http://10.1.2.3:8080 "],
  ["localhost", "send --host localhost --port 9000 --topic", "http://localhost:8080 "],
  ["::1", "send --host ::1 --port 9000 --topic", "http://[::1]:8080 "],
  ["::", "send --host ::1 --port 9000 --topic", "http://[::]:8080 "],
])("on %s the banner shows a command and a URL that work", (host, command, url) => {
  expect(shown(host)).toContain(command);
  expect(shown(host)).toContain(url);
});

test("on ::1 the server's addresses have brackets, and the banner's command reaches it", async () => {
  const host = "::1";
  await using server = await ServerProcess.start({
    env: { ESC_INGESTION_TCP_HOST: host, ESC_INGESTION_UDP_HOST: host, ESC_HTTP_HOST: host },
  });
  const response = await fetch(`http://[::1]:${server.httpPort}/readyz`);
  expect(response.status).toBe(200);
  expect(server.addresses).toEqual({
    tcp: `[::1]:${server.tcpPort}`,
    udp: `[::1]:${server.udpPort}`,
    http: `[::1]:${server.httpPort}`,
  });
  expect(await esc("send", "--host", host, "--port", String(server.tcpPort), "--ack")).toMatchObject({ code: 0 });
});

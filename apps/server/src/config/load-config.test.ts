import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseDocument, stringify } from "yaml";
import { ConfigError } from "./config-error.ts";
import { variableName } from "./environment.ts";
import { type LoadedConfig, loadConfig } from "./load-config.ts";
import { type Config, leafPaths } from "./schema.ts";

const repository = fileURLToPath(new URL("../../../..", import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "esc-config-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(yaml: string | Buffer, env: Record<string, string> = {}): LoadedConfig {
  writeFileSync(join(folder, "esc.yaml"), yaml);
  return loadConfig({ file: "esc.yaml", env, cwd: folder });
}

/** The problems of a configuration that must not load, a line each. */
function problemsOf(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.code).toBe("ESC_CONFIG_INVALID");
    const lines = error.problems.map(
      ({ where, key, what }) => `${where}${key === undefined ? "" : ` ${key}`}: ${what}`,
    );
    // What people see holds every problem.
    for (const line of lines) expect(error.message).toContain(line);
    return lines;
  }
  throw new Error("the configuration was taken");
}

const problems = (yaml: string, env: Record<string, string> = {}) => problemsOf(() => load(yaml, env));

describe("without a file", () => {
  test("the embedded defaults listen on this machine only and store in ./data", () => {
    const { config, file, warnings } = loadConfig({ env: {}, cwd: folder });

    expect(file).toBeUndefined();
    expect(warnings).toEqual([]);
    expect(config.ingestion.tcp).toMatchObject({ enable: true, host: "127.0.0.1", port: 9000 });
    expect(config.ingestion.udp).toMatchObject({ enable: true, host: "127.0.0.1", port: 9001 });
    expect(config.http).toEqual({ enable: true, host: "127.0.0.1", port: 8080 });
    expect(config.ingestion.max_frame_bytes).toBe(1_048_576);
    expect(config.storage.path).toBe(join(folder, "data"));
    expect(config.storage.sync).toEqual({
      realtime: "interval",
      transactional: "group",
      batch: "interval",
      dead_letters: "interval",
    });
    // Nothing is deleted that nobody asked to be.
    expect(config.storage.retention.batch).toEqual({ max_bytes: 0, max_age_ms: 0, max_events: 0, force: false });
  });

  test("a configuration can't be changed after it was loaded", () => {
    const { config } = loadConfig({ env: {}, cwd: folder });

    expect(() => Object.assign(config.storage.sync, { batch: "never" })).toThrow(TypeError);
  });
});

describe("a file", () => {
  test("changes what it names and leaves the rest", () => {
    const { config, file } = load("ingestion: { tcp: { port: 0, maxConnections: 7 } }\nlogging: { level: debug }\n");

    expect(file).toBe(join(folder, "esc.yaml"));
    expect(config.ingestion.tcp).toMatchObject({ port: 0, maxConnections: 7, host: "127.0.0.1" });
    expect(config.logging).toEqual({ level: "debug", format: "auto" });
  });

  test("that is empty, or all comments, says nothing", () => {
    expect(load("").config).toEqual(loadConfig({ env: {}, cwd: folder }).config);
    expect(load("# app_name: other\n").config.app_name).toBe("EventStreamCore");
  });

  test.each([
    ["4096", 4_096],
    ["64KiB", 65_536],
    ["4 MiB", 4_194_304],
    ["4mib", 4_194_304],
    ['"8192B"', 8_192],
  ])("takes %s as a size", (written, bytes) => {
    expect(load(`storage: { group_bytes: ${written} }`).config.storage.group_bytes).toBe(bytes);
  });

  test("says for each log what is kept of it", () => {
    const { retention } = load("storage: { retention: { dead_letters: { max_bytes: 1TiB, max_age_ms: 86400000 } } }")
      .config.storage;
    expect(retention.dead_letters).toEqual({ max_bytes: 2 ** 40, max_age_ms: 86_400_000, max_events: 0, force: false });
  });

  test("has its paths relative to its own folder, whatever the working directory", () => {
    mkdirSync(join(folder, "etc"), { recursive: true });
    const yaml = "storage: { path: ../var }\nhandlers: [./a.js, /b.js]\nrouter: { topics_file: topics.conf }\n";
    writeFileSync(join(folder, "etc", "esc.yaml"), yaml);

    const { config } = loadConfig({ file: "etc/esc.yaml", env: {}, cwd: folder });

    expect(config.storage.path).toBe(join(folder, "var"));
    expect(config.handlers).toEqual([join(folder, "etc", "a.js"), "/b.js"]);
    expect(config.router.topics_file).toBe(join(folder, "etc", "topics.conf"));
  });

  test("in a folder leaves the default data path with the working directory", () => {
    mkdirSync(join(folder, "etc"), { recursive: true });
    writeFileSync(join(folder, "etc", "esc.yaml"), "app_name: x\n");

    expect(loadConfig({ file: "etc/esc.yaml", env: {}, cwd: folder }).config.storage.path).toBe(join(folder, "data"));
  });

  test("may share values by an anchor", () => {
    const { config } = load("ingestion: { tcp: { host: &h 0.0.0.0 }, udp: { host: *h } }");

    expect(config.ingestion.udp.host).toBe("0.0.0.0");
  });

  test("is warned about where a value is taken and nothing is done with it", () => {
    const { warnings } = load("router: { shards: 4 }\nnuma: { enable: true }\n");

    expect(warnings).toEqual([expect.stringContaining("every node is -1, so no thread is placed")]);
  });

  test("that lets shards go round is warned that the transactional lane doesn't", () => {
    expect(load("router: { strategy: round_robin }\n").warnings).toEqual([]);
    const { warnings } = load("router: { shards: auto, strategy: round_robin }\n");

    expect(warnings).toEqual([
      expect.stringContaining("the transactional lane keeps that of each topic, and goes by hash"),
    ]);
  });
});

describe("a mistake is told with file, line, column, key, what was expected and what was found", () => {
  test("for a value of the wrong kind", () => {
    expect(problems("ingestion:\n  tcp:\n    port: abc\n")).toEqual([
      'esc.yaml:3:5 ingestion.tcp.port: expected a whole number from 0 to 65535, found "abc"',
    ]);
  });

  test.each([
    ["ingestion: { tcp: { port: 65536 } }", "a whole number from 0 to 65535, found 65536"],
    ["ingestion: { tcp: { port: -1 } }", "found -1"],
    ["ingestion: { tcp: { port: 1.5 } }", "found 1.5"],
    ["ingestion: { tcp: { port: .nan } }", "found NaN"],
    ["ingestion: { tcp: { enable: yes } }", 'expected true or false, found "yes"'],
    ["ingestion: { udp: { bufferSize: 4MB } }", 'or like 4MiB, found "4MB"'],
    ["router: { buffer_size: 100000 }", "expected a power of two from 1024 to 8388608, found 100000"],
    ["router: { strategy: random }", 'expected one of hash, round_robin, found "random"'],
    ["router: { shards: 65 }", "expected auto, or a whole number from 1 to 64, found 65"],
    ["storage: { sync: { batch: often } }", 'expected one of always, group, interval, never, found "often"'],
    ["storage: { segment_bytes: 2GiB }", "expected a size from 65536 to 1073741824 bytes"],
    ["storage: { preallocate_bytes: -1 }", "expected a size from 0 to 67108864 bytes"],
    ["storage: { group_delay_ms: 10001 }", "expected a whole number from 0 to 10000, found 10001"],
    ["storage: { retention: { batch: { max_bytes: much } } }", "expected a size from 0 to"],
    ["storage: { retention: { batch: { max_age_ms: -5 } } }", "expected a whole number from 0 to"],
    ["storage: { retention: { batch: { force: 1 } } }", "expected true or false, found 1"],
    ["storage: { retention: { check_interval_ms: 1 } }", "expected a whole number from 100 to 3600000, found 1"],
    ["storage: { max_groups: 0 }", "expected a whole number from 1 to 1024, found 0"],
    ["numa: { dispatcher_node: near }", 'expected a whole number from -1 to 1023, or auto, found "near"'],
    ["numa: { realtime_proc_node: -2 }", "expected a whole number from -1 to 1023, or auto, found -2"],
    ["storage: { path: '' }", "expected a string that isn't empty"],
    ["storage: data", 'expected keys and values (a map), found "data"'],
    ["storage:", "expected keys and values (a map), found nothing"],
    ["storage: []", "expected keys and values (a map), found []"],
    ["handlers: ./a.js", 'expected a list of paths, found "./a.js"'],
    ["logging: { level: verbose }", "expected one of trace, debug, info"],
    ["http: { host: 8 }", "expected a string, found 8"],
  ])("%s", (yaml, expected) => {
    const [problem, ...more] = problems(yaml);

    expect(problem).toMatch(/^esc\.yaml:1:\d+ \w/);
    expect(problem).toContain(expected);
    expect(more).toEqual([]);
  });

  test("for an element of a list", () => {
    expect(problems("handlers:\n  - ./a.js\n  - 5\n")).toEqual(["esc.yaml:3:5 handlers.1: expected a string, found 5"]);
  });

  test("for a rule of a topic, at its own place", () => {
    expect(problems("processing:\n  topics:\n    - topic: a.>.b\n    - topic: b\n      attempts: 0\n")).toEqual([
      expect.stringMatching(/esc.yaml:3:7 processing.topics.0.topic: expected a topic or pattern/),
      expect.stringMatching(
        /esc.yaml:5:7 processing.topics.1.attempts: expected a whole number from 1 to 1000, found 0/,
      ),
    ]);
  });

  test("for a webhook that is no address", () => {
    expect(problems("alerts:\n  webhook: ftp://x\n")).toEqual([
      expect.stringContaining("alerts.webhook: expected an http or https address"),
    ]);
  });

  test("in a built-in, with the nearest known key, what its kind takes, and a name that is taken", () => {
    const yaml = [
      "builtins:",
      "  - name: a",
      "    topics: order.>",
      "    kind: sum",
      "    feild: { offset: 0, type: u32 }",
      "  - { name: b, topics: x.>.y, kind: average }",
    ];
    expect(problems(`${yaml.join("\n")}\n`)).toEqual([
      expect.stringMatching(/esc.yaml:5:5 builtins.0.feild: unknown key. Did you mean field\?/),
      expect.stringMatching(
        /esc.yaml:2:5 builtins.0.field: expected a field, as \{ offset: 0, type: u32 \}, found nothing/,
      ),
      expect.stringMatching(/esc.yaml:6:\d+ builtins.1.topics: expected a topic or pattern/),
      expect.stringMatching(
        /esc.yaml:6:\d+ builtins.1.kind: expected one of count, sum, histogram, threshold, found "average"/,
      ),
    ]);
    expect(problems("builtins:\n  - { name: a, topics: t, kind: sum }\n")).toEqual([
      expect.stringMatching(
        /esc.yaml:2:\d+ builtins.0.field: expected a field, as \{ offset: 0, type: u32 \}, found nothing/,
      ),
    ]);
    expect(
      problems("builtins:\n  - { name: a, topics: t, kind: count }\n  - { name: a, topics: u, kind: count }\n"),
    ).toEqual([expect.stringMatching(/esc.yaml:3:\d+ builtins.1.name: "a" is the name of builtins.0 already/)]);
  });

  test("with the nearest known key for one that isn't known", () => {
    expect(problems("ingestion:\n  tcp:\n    prot: 1\n  upd: {}\n")).toEqual([
      "esc.yaml:3:5 ingestion.tcp.prot: unknown key. Did you mean port?",
      "esc.yaml:4:3 ingestion.upd: unknown key. Did you mean udp?",
    ]);
    expect(problems("ingestion: { tcp: { max_connections: 1 } }")[0]).toContain("Did you mean maxConnections?");
    expect(problems("APP_NAME: x")[0]).toContain("Did you mean app_name?");
  });

  test("with all known keys where none is near", () => {
    expect(problems("logging: { xxxxxxxxxxxx: 1 }")).toEqual([
      "esc.yaml:1:12 logging.xxxxxxxxxxxx: unknown key. Known: level, format.",
    ]);
  });

  test("all at once: the file's, the environment's", () => {
    const lines = problems("http: { port: x }\nbogus: 1\n", { ESC_STORAGE_PAHT: "/x", ESC_ROUTER_SHARDS: "0" });

    expect(lines).toHaveLength(4);
    expect(lines.join("\n")).toContain("ESC_STORAGE_PAHT: this environment variable stands for no key.");
    expect(lines.join("\n")).toContain(
      "ESC_ROUTER_SHARDS router.shards: expected auto, or a whole number from 1 to 64, found 0",
    );
  });

  test("once, though a value breaks more than one rule", () => {
    expect(problems("http: { port: -1e300 }")).toEqual([
      "esc.yaml:1:9 http.port: expected a whole number from 0 to 65535, found -1e+300",
    ]);
    expect(problems("shutdown: { grace_ms: 99999999999999999999 }")).toHaveLength(1);
  });

  test("when TCP and HTTP are to share a port of one address, with both places", () => {
    expect(problems("ingestion:\n  tcp:\n    port: 7000\nhttp:\n  port: 7000\n")).toEqual([
      "esc.yaml:5:3 http.port: 7000 is ingestion.tcp.port's already (esc.yaml:3:5), on the same address: give one of them another port, or 0 for any",
    ]);
    expect(problems("http: { port: 9000, host: 0.0.0.0 }")[0]).toContain("ingestion.tcp.port's already (its default)");
    expect(problems("{}", { ESC_INGESTION_TCP_PORT: "8080", ESC_INGESTION_TCP_HOST: "localhost" })).toEqual([
      expect.stringMatching(/^ESC_INGESTION_TCP_PORT ingestion.tcp.port: 8080 is http.port's already \(its default\)/),
    ]);
    for (const sound of [
      "{ http: { port: 0 }, ingestion: { tcp: { port: 0 } } }",
      "http: { port: 9000, enable: false }",
      "http: { port: 9000, host: 10.0.0.1 }",
      "http: { port: 9001 }", // UDP's port is another kind
    ]) {
      expect(load(sound).warnings).toEqual([]);
    }
  });

  test("when the room for unfinished frames doesn't hold one", () => {
    expect(problems("ingestion:\n  max_frame_bytes: 64KiB\n  tcp: { partialFrameBytes: 64KiB }\n")).toEqual([
      expect.stringMatching(/^esc.yaml:3:10 ingestion.tcp.partialFrameBytes: 65536 bytes don't hold one frame/),
    ]);
  });

  test("without repeating a value at any length", () => {
    expect(problems(`http: { port: ${"x".repeat(100_000)} }`)[0]?.length).toBeLessThan(250);
  });

  test("when a ring is too small for the largest frame", () => {
    expect(problems("router: { buffer_size: 4096 }")).toEqual([
      expect.stringMatching(/^esc\.yaml:1:11 router\.buffer_size: a ring of 4096 × 128 bytes takes frames of up to/),
    ]);
    expect(load("router: { buffer_size: 4096 }\ningestion: { max_frame_bytes: 64KiB }").config.router.buffer_size).toBe(
      4_096,
    );
  });
});

describe("a file that isn't a YAML map", () => {
  test.each([
    ["a: [1, 2", /^esc\.yaml:\d+:\d+: /],
    ["a:\n\t- b", /^esc\.yaml:2:\d+: /],
    ["http: { port: 1 }\nhttp: { port: 2 }\n", /^esc\.yaml:2:1: Map keys must be unique/],
    ["a: 1\n---\nb: 2\n", /^esc\.yaml:2:1: .*multiple documents/],
    ["- 1\n- 2\n", /^esc\.yaml:1:1: must hold keys and values/],
    ["just words", /^esc\.yaml:1:1: must hold keys and values/],
    ["app_name: *nobody", /nobody/],
    [`${"[".repeat(20_000)}`, /^esc\.yaml/],
    [`${"{a: ".repeat(20_000)}`, /^esc\.yaml/],
  ])("%j is told so", (yaml, expected) => {
    expect(problems(yaml)[0]).toMatch(expected);
  });

  test("is told so when its aliases multiply without end", () => {
    const levels = Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}, *a${i}]`);

    expect(problems(["a0: &a0 [x]", ...levels].join("\n"))[0]).toMatch(/alias/i);
  });

  test("is told so when it isn't there, is a folder, or is far too large", () => {
    const read = (file: string) => problemsOf(() => loadConfig({ file, env: {}, cwd: folder }));
    writeFileSync(join(folder, "large.yaml"), Buffer.alloc(1_048_577, "#"));

    expect(read("nowhere.yaml")).toEqual(["nowhere.yaml: there is no such file"]);
    expect(read(".")).toEqual([".: is a folder; give a YAML file"]);
    expect(read("large.yaml")).toEqual([expect.stringContaining("is larger than 1048576 bytes")]);
  });

  test("never comes out as anything but a ConfigError, whatever its bytes", () => {
    const word = fc.constantFrom(
      ...[
        "ingestion",
        "tcp",
        "port",
        "storage",
        "__proto__",
        "constructor",
        "toString",
        ": ",
        "- ",
        "{",
        "}",
        "[",
        "]",
      ],
      ...[
        "&a ",
        "*a",
        "!!binary ",
        "!x ",
        "<<: ",
        "? ",
        "| ",
        "\n",
        "\n  ",
        "9000",
        "null",
        "~",
        '"',
        "'",
        "#",
        "%TAG",
      ],
    );
    const junk = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc
        .array(fc.oneof(word, fc.string({ maxLength: 5 })), { maxLength: 40 })
        .map((parts) => Buffer.from(parts.join(""))),
    );
    fc.assert(
      fc.property(junk, (bytes) => {
        try {
          load(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("environment variables", () => {
  const fromEnv = (env: Record<string, string>) => loadConfig({ env, cwd: folder }).config;

  test("win over the file", () => {
    const { config } = load("ingestion: { tcp: { port: 1, host: ::1 } }", { ESC_INGESTION_TCP_PORT: "2" });

    expect(config.ingestion.tcp).toMatchObject({ port: 2, host: "::1" });
  });

  test("exist for every key, and no two keys share one", () => {
    const names = leafPaths().map(variableName);

    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain("ESC_INGESTION_TCP_MAXCONNECTIONS");
    expect(names).toContain("ESC_ROUTER_BUFFER_SIZE");
  });

  test("take numbers, flags, sizes and lists", () => {
    const config = fromEnv({
      ESC_HTTP_ENABLE: "false",
      ESC_STORAGE_SYNC_INTERVAL_MS: "50",
      ESC_INGESTION_MAX_FRAME_BYTES: "64KiB",
      ESC_HANDLERS: "a.js, /b.js,",
    });

    expect(config.http.enable).toBe(false);
    expect(config.storage.sync_interval_ms).toBe(50);
    expect(config.ingestion.max_frame_bytes).toBe(65_536);
    expect(config.handlers).toEqual([join(folder, "a.js"), "/b.js"]);
  });

  test("take rules of topics as YAML", () => {
    const { config } = load("", { ESC_PROCESSING_TOPICS: "[{ topic: pay.>, attempts: 9 }]" });
    expect(config.processing.topics).toEqual([{ topic: "pay.>", attempts: 9 }]);
  });

  test("stay texts where the key takes one", () => {
    const config = fromEnv({ ESC_APP_NAME: "true", ESC_STORAGE_PATH: "2026", ESC_INGESTION_TCP_HOST: "::" });

    expect(config.app_name).toBe("true");
    expect(config.storage.path).toBe(join(folder, "2026"));
    expect(config.ingestion.tcp.host).toBe("::");
  });

  test("are relative to the working directory, also beside a file elsewhere", () => {
    mkdirSync(join(folder, "etc"), { recursive: true });
    writeFileSync(join(folder, "etc", "esc.yaml"), "storage: { path: inside }\n");

    const { config } = loadConfig({ file: "etc/esc.yaml", env: { ESC_STORAGE_PATH: "outside" }, cwd: folder });

    expect(config.storage.path).toBe(join(folder, "outside"));
  });

  test("that stand for no key stop the start, with the nearest that does", () => {
    expect(problemsOf(() => fromEnv({ ESC_INGESTION_TCP_PROT: "1" }))).toEqual([
      "ESC_INGESTION_TCP_PROT: this environment variable stands for no key. Did you mean ESC_INGESTION_TCP_PORT?",
    ]);
  });

  test("with a wrong value are told by their own name", () => {
    expect(problemsOf(() => fromEnv({ ESC_HTTP_PORT: "http" }))).toEqual([
      'ESC_HTTP_PORT http.port: expected a whole number from 0 to 65535, found "http"',
    ]);
    expect(problemsOf(() => fromEnv({ ESC_HTTP_PORT: "" }))[0]).toContain("ESC_HTTP_PORT http.port");
  });

  test("don't paper over a section of the file that is no section", () => {
    expect(problems("http: 5\n", { ESC_HTTP_PORT: "1" })).toEqual([
      "esc.yaml:1:1 http: expected keys and values (a map), found 5",
    ]);
  });

  test("that Kubernetes sets for a Service named like us are passed over with a warning; a mistyped key is still one", () => {
    const links = {
      ESC_SERVICE_HOST: "10.0.0.7",
      ESC_SERVICE_PORT: "9000",
      ESC_SERVICE_PORT_INGEST: "9000",
      ESC_PORT: "tcp://10.0.0.7:9000",
      ESC_PORT_9000_TCP: "tcp://10.0.0.7:9000",
      ESC_PORT_9000_TCP_PROTO: "tcp",
      ESC_PORT_9000_TCP_PORT: "9000",
      ESC_PORT_9000_TCP_ADDR: "10.0.0.7",
      // Of a Service named esc-http, and a key's name as well.
      ESC_HTTP_PORT: "tcp://10.0.0.8:80",
      ESC_HTTP_SERVICE_HOST: "10.0.0.8",
    };
    const { config, warnings } = loadConfig({ env: links, cwd: folder });

    expect(config.http.port).toBe(8080);
    expect(warnings).toEqual([expect.stringContaining("enableServiceLinks: false")]);
    for (const name of Object.keys(links)) expect(warnings[0]).toContain(name);
    expect(problemsOf(() => fromEnv({ ESC_SERVICE_HOTS: "1", ESC_PORTS: "1" }))).toHaveLength(2);
  });

  test("of others, and the one that names the file, are left alone", () => {
    expect(fromEnv({ PATH: "/bin", ESCAPE: "1", ESC_CONFIG: "x.yaml" }).app_name).toBe("EventStreamCore");
  });
});

describe("any sound configuration", () => {
  const port = fc.integer({ min: 0, max: 65_535 });
  const tcpPort = fc.oneof(fc.constant(0), fc.integer({ min: 9_000, max: 65_535 }));
  const httpPort = fc.integer({ min: 0, max: 8_999 });
  const node = fc.oneof(fc.integer({ min: -1, max: 1_023 }), fc.constant("auto"));
  const sync = fc.constantFrom("group", "interval", "never");
  const sound = fc.record(
    {
      app_name: fc.string({ minLength: 1, maxLength: 20 }),
      // Never the port of TCP.
      http: fc.record({ enable: fc.boolean(), host: fc.ipV4(), port: httpPort }, { requiredKeys: [] }),
      ingestion: fc.record(
        {
          max_frame_bytes: fc.integer({ min: 64, max: 1_048_576 }),
          tcp: fc.record({ enable: fc.boolean(), host: fc.ipV6(), port: tcpPort }, { requiredKeys: [] }),
          udp: fc.record({ enable: fc.boolean(), port }, { requiredKeys: [] }),
        },
        { requiredKeys: [] },
      ),
      router: fc.record(
        {
          shards: fc.oneof(fc.constant("auto"), fc.integer({ min: 1, max: 64 })),
          strategy: fc.constantFrom("hash", "round_robin"),
          buffer_size: fc.integer({ min: 17, max: 23 }).map((power) => 2 ** power),
        },
        { requiredKeys: [] },
      ),
      numa: fc.record({ enable: fc.boolean(), dispatcher_node: node }, { requiredKeys: [] }),
      storage: fc.record({ sync: fc.record({ realtime: sync, batch: sync }, { requiredKeys: [] }) }),
      shutdown: fc.record({ grace_ms: fc.integer({ min: 100, max: 3_600_000 }) }),
    },
    { requiredKeys: [] },
  );

  test("comes out of a file as it went in, and out of what it came to unchanged", () => {
    fc.assert(
      fc.property(sound, (written) => {
        const { config } = load(stringify(written));

        expect(config).toMatchObject(written);
        expect(load(stringify(config)).config).toEqual(config);
      }),
      { numRuns: 200 },
    );
  });

  test("comes out of the environment as out of a file", () => {
    fc.assert(
      fc.property(sound, (written) => {
        const env: Record<string, string> = {};
        for (const path of leafPaths()) {
          const value = path.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], written);
          if (value !== undefined) env[variableName(path)] = String(value);
        }

        expect(loadConfig({ env, cwd: folder }).config).toEqual(load(stringify(written)).config);
      }),
      { numRuns: 200 },
    );
  });
});

describe("config/esc.example.yaml", () => {
  const file = join(repository, "config", "esc.example.yaml");
  const { config } = loadConfig({ file, env: {}, cwd: repository });

  test("says what holds when nothing is said", () => {
    const defaults: Config = loadConfig({ env: {}, cwd: dirname(dirname(file)) }).config;

    expect(config).toEqual(defaults);
  });

  test("names every key, those without a default as a comment", () => {
    const named = parseDocument(readFileSync(file, "utf8").replace(/# (topics_file|webhook):/g, "$1:"));

    expect(leafPaths().filter((path) => !named.hasIn(path))).toEqual([]);
  });
});

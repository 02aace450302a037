import { describe, expect, it } from "vitest";
import { configurationDocument } from "./document.ts";
import { ConfigError, configuredProviders, loadConfig, settingKeys, settingOf } from "./load.ts";
import type { LoadOptions } from "./load.ts";

function load(env: LoadOptions["env"], rest: Partial<LoadOptions> = {}) {
  return loadConfig({ env, platform: "linux", homeDir: "/u/a", ...rest });
}

function problemsOf(env: LoadOptions["env"], rest: Partial<LoadOptions> = {}): readonly string[] {
  try {
    load(env, rest);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("loadConfig", () => {
  it("needs nothing", () => {
    const { config, sources } = load({ PATH: "/bin" });
    expect(config).toMatchObject({
      host: "127.0.0.1",
      port: 7420,
      dataDir: "/u/a/.local/share/parley",
      databaseUrl: null,
      token: null,
      model: null,
      drainGraceMs: 30_000,
      messageBodyBytesMax: 262_144,
      providers: [],
    });
    expect(new Set(Object.values(sources))).toEqual(new Set(["default"]));
  });

  it("takes variables, and flags before them", () => {
    const { config, sources } = load(
      { PARLEY_PORT: "1", PARLEY_HOST: "::1", PARLEY_DRAIN_GRACE_SECONDS: "0.5" },
      { flags: { port: "0" } },
    );
    expect(config).toMatchObject({ port: 0, host: "::1", drainGraceMs: 500 });
    expect(sources).toMatchObject({ port: "flag", host: "environment", poolSize: "default" });
  });

  it("takes an empty variable for one that is not set, and the first alias that is", () => {
    const { config } = load({ PARLEY_PORT: "", GEMINI_API_KEY: "k" });
    expect(config).toMatchObject({ port: 7420, googleApiKey: "k" });
  });

  it.each([
    ["linux", { XDG_DATA_HOME: "/x" }, "/x/parley"],
    ["linux", { XDG_DATA_HOME: "x" }, "/u/a/.local/share/parley"],
    ["darwin", {}, "/u/a/Library/Application Support/parley"],
  ] as const)("keeps its data on %s with %o in %s", (platform, env, expected) => {
    expect(load(env, { platform }).config.dataDir).toBe(expected);
  });

  it("allows what the tests use", () => {
    const env = { PARLEY_TEST_ANYTHING: "1", PARLEY_RECORDINGS: "/r", PARLEY_URL: "http://a" };
    expect(problemsOf(env)).toEqual([]);
  });

  it.each([
    [{ PARLEY_PROT: "1" }, "PARLEY_PROT is not a setting. Did you mean PARLEY_PORT?"],
    [
      { PARLEY_SOMETHING_ELSE: "1" },
      "PARLEY_SOMETHING_ELSE is not a setting. docs/configuration.md lists them all.",
    ],
    [
      { PARLEY_PORT: "70000" },
      "PARLEY_PORT=70000: must be a whole number from 0 to 65535. The nearest is 65535.",
    ],
    [{ PARLEY_PORT: "seven" }, "PARLEY_PORT=seven: must be a whole number from 0 to 65535."],
    [
      { PARLEY_LOG_LEVEL: "wran" },
      "PARLEY_LOG_LEVEL=wran: must be one of debug, info, warn, error, silent. The nearest is warn.",
    ],
    [
      { PARLEY_DRAIN_GRACE_SECONDS: "30s" },
      "PARLEY_DRAIN_GRACE_SECONDS=30s: must be seconds, from 0 to 3600. The nearest is 30.",
    ],
    [
      { PARLEY_QUEUE_MESSAGES: "0" },
      "PARLEY_QUEUE_MESSAGES=0: must be a whole number from 1 to 1000. The nearest is 1.",
    ],
    [{ PARLEY_DEMO: "ture" }, "PARLEY_DEMO=ture: must be true or false. The nearest is true."],
    [
      { PARLEY_DATABASE_URL: "mysql://u:hunter2@h/d" },
      "PARLEY_DATABASE_URL: must be a URL that begins with postgres:// or postgresql://.",
    ],
    [
      { PARLEY_TOKEN: "two words" },
      "PARLEY_TOKEN: must be up to 512 printable characters without blanks.",
    ],
    [
      { PARLEY_MODEL: "openai/gpt-5" },
      "PARLEY_MODEL=openai/gpt-5: the provider openai is not configured (set OPENAI_API_KEY).",
    ],
    [
      { PARLEY_MODEL: "antropic/x", ANTHROPIC_API_KEY: "k" },
      "PARLEY_MODEL=antropic/x: there is no provider antropic. Did you mean anthropic?",
    ],
    [{ PARLEY_MODEL: "demo" }, "PARLEY_MODEL=demo: must be `provider/model`."],
  ])("refuses %o", (env, problem) => {
    expect(problemsOf(env)).toEqual([problem]);
  });

  it("names a flag as it was typed", () => {
    expect(problemsOf({}, { flags: { port: "-1" } })).toEqual([
      "--port -1: must be a whole number from 0 to 65535. The nearest is 0.",
    ]);
  });

  it("reports everything at once", () => {
    expect(problemsOf({ PARLEY_PORT: "x", PARLEY_POOL_SIZE: "x", PARLEY_X: "x" })).toHaveLength(3);
  });

  it("never shows a secret", () => {
    const secret = "s3cr3t value";
    for (const key of settingKeys.filter((name) => settingOf(name).secret === true)) {
      const text = problemsOf({ [settingOf(key).env]: secret }).join("\n");
      expect(text, key).not.toContain("s3cr3t");
      expect(text, key).not.toBe("");
    }
  });
});

describe("PARLEY_PROVIDERS", () => {
  const ollama = '[{"name":"ollama","base_url":"http://127.0.0.1:11434/v1/","models":["a"]}]';

  it("is JSON, or a file with it", () => {
    const expected = {
      name: "ollama",
      baseUrl: "http://127.0.0.1:11434/v1",
      apiKey: null,
      headers: {},
      models: ["a"],
      options: [],
    };
    expect(load({ PARLEY_PROVIDERS: ollama }).config.providers).toEqual([expected]);
    const readFile = (path: string): string => (path === "p.json" ? ollama : "");
    const { config } = load({ PARLEY_PROVIDERS: "p.json", PARLEY_MODEL: "ollama/b" }, { readFile });
    expect(config.providers).toEqual([expected]);
    expect(configuredProviders(config)).toEqual(["ollama", "demo"]);
  });

  it("takes a key from the environment", () => {
    const text = '[{"name":"a","base_url":"https://a.test","api_key_env":"A_KEY"}]';
    expect(load({ PARLEY_PROVIDERS: text, A_KEY: "k" }).config.providers[0]?.apiKey).toBe("k");
    expect(problemsOf({ PARLEY_PROVIDERS: text })).toEqual([
      "PARLEY_PROVIDERS: a: the variable A_KEY is not set",
    ]);
  });

  it.each([
    ["[", "is no valid JSON"],
    ["nowhere.json", "is neither a JSON array nor the path of a file that can be read"],
    ['[{"name":"openai","base_url":"http://a"}]', "is the name of a built-in provider"],
    ['[{"name":"a","base_url":"ftp://a"}]', "base_url"],
    ['[{"name":"a","base_url":"http://a","key":"x"}]', "key"],
    ['[{"name":"a","base_url":"http://a"},{"name":"a","base_url":"http://b"}]', "the same name"],
  ])("refuses %s", (text, problem) => {
    expect(problemsOf({ PARLEY_PROVIDERS: text }).join("\n")).toContain(problem);
  });
});

describe("the table", () => {
  it("has each name once", () => {
    const rows = settingKeys.map(settingOf);
    const names = rows.flatMap((row) => [row.env, ...(row.aliases ?? [])]);
    const flags = rows.flatMap((row) => row.flag ?? []);
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(flags).size).toBe(flags.length);
  });

  it("has defaults that its own parsers accept", () => {
    for (const row of settingKeys.map(settingOf)) {
      if (row.default === null || typeof row.default === "function") continue;
      expect(row.parser.parse(row.parser.format(row.default)), row.env).toEqual(row.default);
    }
  });

  it("gives secrets no flag, but for the URLs, the providers and the MCP servers", () => {
    const exposed = settingKeys.filter(
      (key) => settingOf(key).secret === true && settingOf(key).flag !== undefined,
    );
    expect(exposed).toEqual([
      "natsUrl",
      "databaseUrl",
      "databaseDirectUrl",
      "providers",
      "mcpServers",
    ]);
  });

  it("is what docs/configuration.md says", async () => {
    await expect(configurationDocument()).toMatchFileSnapshot("../../../../docs/configuration.md");
  });
});

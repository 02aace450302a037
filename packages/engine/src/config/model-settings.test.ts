import { describe, expect, it } from "vitest";
import { loadConfig, type Config } from "./load.ts";
import { modelSettings, secretsOf } from "./model-settings.ts";

function load(env: Record<string, string>): Config {
  return loadConfig({ env, platform: "linux", homeDir: "/u/a" }).config;
}

describe("modelSettings", () => {
  it("has the demo models and nothing else where nothing is set", () => {
    expect(modelSettings(load({}))).toEqual({
      compatible: [],
      demo: true,
      silence: { firstEventMs: 120_000, betweenEventsMs: 600_000 },
    });
  });

  it("has each provider that has a key or an address", () => {
    const settings = modelSettings(
      load({
        OPENAI_BASE_URL: "http://127.0.0.1:1/v1/",
        ANTHROPIC_API_KEY: "a",
        GEMINI_API_KEY: "g",
        PARLEY_MODEL: "near/m",
        PARLEY_PROVIDERS: '[{"name":"near","base_url":"http://n","api_key":"k"}]',
      }),
    );
    expect(settings).toMatchObject({
      openai: { apiKey: "none", baseURL: "http://127.0.0.1:1/v1" },
      anthropic: { apiKey: "a" },
      google: { apiKey: "g" },
      compatible: [{ name: "near", baseURL: "http://n", apiKey: "k", headers: {}, models: [] }],
      defaultModel: "near/m",
    });
  });
});

describe("secretsOf", () => {
  it("names every secret, the password inside of the database's URL too", () => {
    const config = load({
      PARLEY_DATABASE_URL: "postgres://u:p%40ss@h/d",
      PARLEY_TOKEN: "t",
      OPENAI_API_KEY: "o",
      PARLEY_PROVIDERS: '[{"name":"n","base_url":"http://n","headers":{"X-Key":"h"}}]',
    });
    const expected = ["t", "postgres://u:p%40ss@h/d", "p%40ss", "p@ss", "o", "h"];
    expect(secretsOf(config)).toEqual(expected);
  });
});

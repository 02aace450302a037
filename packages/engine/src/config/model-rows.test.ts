import { describe, expect, it } from "vitest";
import { ConfigError, loadConfig } from "./load.ts";

function load(env: Record<string, string>) {
  return loadConfig({ env, platform: "linux", homeDir: "/u/a" }).config;
}

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    load(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("PARLEY_MODEL_SETTINGS", () => {
  it("is a list of rows", () => {
    const rows = [
      {
        model: "demo/*",
        default_effort: "low",
        settings: { temperature: 0.5, provider_options: { x: { y: [1] } } },
      },
    ];
    expect(load({ PARLEY_MODEL_SETTINGS: JSON.stringify(rows) }).modelRows).toEqual(rows);
    expect(load({}).modelRows).toEqual([]);
  });

  it.each([
    ["a name without a provider", [{ model: "gpt" }], /provider\/model/],
    ["an effort that there is none of", [{ model: "a/b", max_effort: "huge" }], /0\.max_effort/],
    [
      "a default that is none of the efforts",
      [{ model: "a/b", efforts: ["low"], default_effort: "high" }],
      /default_effort is none/,
    ],
    ["an unknown field", [{ model: "a/b", temperature: 1 }], /temperature/],
    [
      "a fallback whose provider is not there",
      [{ model: "a/b", fallback_models: ["nobody/m"] }],
      /the provider of nobody\/m is not configured/,
    ],
  ])("refuses %s", (_, rows, problem) => {
    expect(problemsOf({ PARLEY_MODEL_SETTINGS: JSON.stringify(rows) })).toEqual([
      expect.stringMatching(problem),
    ]);
  });
});

describe("PARLEY_FALLBACK_MODELS", () => {
  it("is a list with commas, of models of configured providers", () => {
    const env = { PARLEY_FALLBACK_MODELS: "demo/echo, demo/fast" };
    expect(load(env).fallbackModels).toEqual(["demo/echo", "demo/fast"]);
    expect(problemsOf({ PARLEY_FALLBACK_MODELS: "demo/echo,demo/echo" })).toHaveLength(1);
    expect(problemsOf({ PARLEY_FALLBACK_MODELS: "openai/gpt-5.4" })).toEqual([
      "PARLEY_FALLBACK_MODELS: the provider of openai/gpt-5.4 is not configured here.",
    ]);
  });
});

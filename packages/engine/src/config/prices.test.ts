import { describe, expect, test } from "vitest";
import { loadConfig } from "./load.ts";
import { parsePrices } from "./prices.ts";
import { spendPolicy } from "./spending-policy.ts";

const noFile = (): string => {
  throw new Error("ENOENT");
};

const load = (env: Record<string, string>) =>
  loadConfig({ env, platform: "linux", homeDir: "/nowhere" }).config;

describe("prices", () => {
  const json = '{"demo/*": {"input": 1, "output": 2.5}, "openai/gpt-5": null}';
  const prices = { "demo/*": { input: 1, output: 2.5 }, "openai/gpt-5": null };

  test("are given in place, or in a file", () => {
    expect(parsePrices(json, noFile)).toEqual({ prices, problems: [] });
    expect(parsePrices("prices.json", () => json)).toEqual({ prices, problems: [] });
    expect(load({ PARLEY_PRICES: json }).prices).toEqual(prices);
    expect(load({}).prices).toEqual({});
  });

  test.each([
    ["{oops", "is no valid JSON"],
    ["nowhere.json", "is neither a JSON object nor the path of a file that can be read"],
    ['{"gpt": {"input": 1, "output": 1}}', "must be provider/model or provider/*"],
    ['{"a/b": {"input": -1, "output": 1}}', "a/b.input"],
    ['{"a/b": {"input": 1}}', "a/b.output"],
    ['{"a/b": {"input": 1, "output": 1, "cached": 1}}', "a/b"],
  ])("%s is refused: %s", (text, problem) => {
    expect(parsePrices(text, noFile).problems.join()).toContain(problem);
    expect(() => load({ PARLEY_PRICES: text })).toThrow("PARLEY_PRICES");
  });
});

describe("budgets", () => {
  test("are none where nothing is said", () => {
    expect(spendPolicy(load({}))).toEqual({
      standing: { chat: null, family: null, owner: null },
      ownerPeriod: "month",
      countUnknown: false,
      outputTokensMax: 16_384,
    });
  });

  test("are given in dollars and in tokens", () => {
    const config = load({
      PARLEY_CHAT_BUDGET_USD: "0.25",
      PARLEY_FAMILY_BUDGET_TOKENS: "1000",
      PARLEY_OWNER_BUDGET_USD: "20",
      PARLEY_OWNER_BUDGET_TOKENS: "5",
      PARLEY_OWNER_BUDGET_PERIOD: "day",
      PARLEY_UNKNOWN_PRICE: "zero",
      PARLEY_BUDGET_REPLY_TOKENS: "100",
    });
    expect(spendPolicy(config)).toEqual({
      standing: {
        chat: { usd_micros: 250_000, tokens: null },
        family: { usd_micros: null, tokens: 1_000 },
        owner: { usd_micros: 20_000_000, tokens: 5 },
      },
      ownerPeriod: "day",
      countUnknown: true,
      outputTokensMax: 100,
    });
  });

  test.each(["-1", "1e3", "0.1234567", "five"])("%s dollars are refused", (value) => {
    expect(() => load({ PARLEY_CHAT_BUDGET_USD: value })).toThrow("PARLEY_CHAT_BUDGET_USD");
  });
});

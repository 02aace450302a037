import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { builtInPrices, pricesAsOf } from "./built-in.ts";
import { costOf, worstCostOf, type Price } from "../../domain/price.ts";
import { PriceTable } from "./price-table.ts";

const price: Price = { input: 3, cached_input: 0.3, cache_write_input: 3.75, output: 15 };

describe("what a call cost", () => {
  test.each([
    ["nothing", {}, 0],
    ["plain input and output", { input_tokens: 1_000, output_tokens: 100 }, 4_500],
    ["a cache that was read", { input_tokens: 1_000, cached_input_tokens: 900 }, 570],
    [
      "a cache that was read and written",
      { input_tokens: 1_000, cached_input_tokens: 500, cache_write_input_tokens: 400 },
      150 + 1_500 + 300,
    ],
    ["a fraction, rounded up", { input_tokens: 1, cached_input_tokens: 1 }, 1],
    [
      "reasoning inside the output",
      { input_tokens: 0, output_tokens: 100, reasoning_tokens: 80 },
      1_500,
    ],
    [
      "reasoning that only the total holds",
      { input_tokens: 100, output_tokens: 10, reasoning_tokens: 40, total_tokens: 150 },
      300 + 50 * 15,
    ],
    ["a cache larger than its prompt", { input_tokens: 10, cached_input_tokens: 50 }, 3],
  ])("%s", (_name, usage, micros) => {
    expect(costOf(usage, price)).toBe(micros);
  });

  test("reasoning has a price of its own where one is given", () => {
    const usage = { output_tokens: 100, reasoning_tokens: 80 };
    expect(costOf(usage, { input: 1, output: 2, reasoning: 10 })).toBe(840);
  });

  test("a long prompt has the long prompt's price, as a whole", () => {
    const long: Price = {
      input: 1,
      output: 2,
      long_context: { input_tokens: 100, input: 4, output: 8 },
    };
    expect(costOf({ input_tokens: 100, output_tokens: 1 }, long)).toBe(102);
    expect(costOf({ input_tokens: 101, output_tokens: 1 }, long)).toBe(412);
  });

  test("is never more than the worst case of a call of that size, whatever it is made of", () => {
    const amount = fc.nat({ max: 2_000_000 });
    const rate = fc.double({ min: 0, max: 200, noNaN: true });
    const rates = { input: rate, output: rate };
    const some = fc.record(
      {
        ...rates,
        cached_input: rate,
        cache_write_input: rate,
        reasoning: rate,
        long_context: fc.record({ ...rates, input_tokens: amount }),
      },
      { requiredKeys: ["input", "output"] },
    );
    const calls = fc.record({
      input: amount,
      cached: amount,
      written: amount,
      output: amount,
      thought: amount,
    });
    fc.assert(
      fc.property(some, calls, (of, { input, cached, written, output, thought }) => {
        const usage = {
          input_tokens: input,
          cached_input_tokens: cached,
          cache_write_input_tokens: written,
          output_tokens: output,
          reasoning_tokens: thought,
          total_tokens: input + output,
        };
        const cost = costOf(usage, of);
        expect(Number.isSafeInteger(cost)).toBe(true);
        expect(cost).toBeGreaterThanOrEqual(0);
        expect(cost).toBeLessThanOrEqual(worstCostOf(input, output, of));
      }),
    );
  });
});

describe("the table", () => {
  const table = new PriceTable({
    "demo/*": { input: 1, output: 2 },
    "demo/free": { input: 0, output: 0 },
    "openai/gpt-5": null,
    "openrouter/some/model": { input: 4, output: 8 },
  });

  test.each([
    ["anthropic/claude-sonnet-4-5", 3],
    ["anthropic/claude-sonnet-4-5-20250929", 3],
    ["anthropic/claude-sonnet-4-5-latest", 3],
    ["openai/gpt-5.4-mini-2026-03-17", 0.75],
    ["openai-chat/gpt-4.1", 2],
    ["demo/anything", 1],
    ["demo/free", 0],
    ["openrouter/some/model", 4],
  ])("knows %s", (model, input) => {
    expect(table.of(model)?.input).toBe(input);
  });

  test.each([
    "openai/gpt-5",
    "openai/gpt-5-2025-08-07",
    "openai/gpt-99",
    "anthropic/claude-sonnet-5-5",
    "other/gpt-5.4",
    "openrouter/other",
    "gpt-5.4",
    "openai/toString",
    "toString/x",
    "",
  ])("does not know %s, and does not guess", (model) => {
    expect(table.of(model)).toBeNull();
  });

  test("the built-in list says of when it is, and holds prices that can be", () => {
    expect(pricesAsOf).toMatch(/^\d{4}-\d\d-\d\d$/);
    for (const each of Object.values(builtInPrices).flatMap((models) => Object.values(models))) {
      expect(each.output).toBeGreaterThan(each.input);
      expect(each.cached_input ?? 0).toBeLessThan(each.input);
    }
  });
});

import type { Price } from "../../domain/price.ts";

/** When the table was last looked at. Prices change: PARLEY_PRICES says what holds for a deployment. */
export const pricesAsOf = "2026-06-01";

const gpt5: Price = { input: 1.25, cached_input: 0.125, output: 10 };
const gpt52: Price = { input: 1.75, cached_input: 0.175, output: 14 };
const opus: Price = { input: 5, cached_input: 0.5, cache_write_input: 6.25, output: 25 };
const opusBefore: Price = { input: 15, cached_input: 1.5, cache_write_input: 18.75, output: 75 };
const sonnet: Price = { input: 3, cached_input: 0.3, cache_write_input: 3.75, output: 15 };

/**
 * List prices of models that the providers had published by then; of others nothing is known. By the provider's own name
 * of the model: a name with a date at its end is the same model.
 */
export const builtInPrices: Readonly<Record<string, Readonly<Record<string, Price>>>> = {
  openai: {
    "gpt-5.4": { input: 2.5, cached_input: 0.25, output: 15 },
    "gpt-5.4-mini": { input: 0.75, cached_input: 0.075, output: 4.5 },
    "gpt-5.4-nano": { input: 0.2, cached_input: 0.02, output: 1.25 },
    "gpt-5.2": gpt52,
    "gpt-5.1": gpt5,
    "gpt-5": gpt5,
    "gpt-5-mini": { input: 0.25, cached_input: 0.025, output: 2 },
    "gpt-5-nano": { input: 0.05, cached_input: 0.005, output: 0.4 },
    "gpt-4.1": { input: 2, cached_input: 0.5, output: 8 },
    "gpt-4.1-mini": { input: 0.4, cached_input: 0.1, output: 1.6 },
    "gpt-4.1-nano": { input: 0.1, cached_input: 0.025, output: 0.4 },
    "gpt-4o": { input: 2.5, cached_input: 1.25, output: 10 },
    "gpt-4o-mini": { input: 0.15, cached_input: 0.075, output: 0.6 },
    o3: { input: 2, cached_input: 0.5, output: 8 },
    "o4-mini": { input: 1.1, cached_input: 0.275, output: 4.4 },
  },
  anthropic: {
    "claude-opus-4-6": opus,
    "claude-opus-4-5": opus,
    "claude-opus-4-1": opusBefore,
    "claude-opus-4": opusBefore,
    "claude-sonnet-4-6": sonnet,
    "claude-sonnet-4-5": sonnet,
    "claude-sonnet-4": sonnet,
    "claude-haiku-4-5": { input: 1, cached_input: 0.1, cache_write_input: 1.25, output: 5 },
    "claude-3-5-haiku": { input: 0.8, cached_input: 0.08, cache_write_input: 1, output: 4 },
  },
  google: {
    "gemini-2.5-pro": {
      input: 1.25,
      cached_input: 0.125,
      output: 10,
      long_context: { input_tokens: 200_000, input: 2.5, cached_input: 0.25, output: 15 },
    },
    "gemini-2.5-flash": { input: 0.3, cached_input: 0.03, output: 2.5 },
    "gemini-2.5-flash-lite": { input: 0.1, cached_input: 0.01, output: 0.4 },
  },
};

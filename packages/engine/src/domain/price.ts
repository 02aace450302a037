import type { Usage } from "@parley/protocol";

/**
 * US dollars per million tokens, which is millionths of a dollar per token. What is left out costs what the next wider
 * kind costs: cached input and cache writes what input costs, reasoning what output costs.
 */
export interface Price {
  readonly input: number;
  readonly output: number;
  readonly cached_input?: number | undefined;
  readonly cache_write_input?: number | undefined;
  readonly reasoning?: number | undefined;
  /** For calls with more input than `input_tokens`: these prices hold for the whole call. */
  readonly long_context?:
    | (Omit<Price, "long_context"> & { readonly input_tokens: number })
    | undefined;
}

/** Prices by `provider/model`, or by `provider/*` for all of a provider's that are not named. null: not known. */
export type OwnPrices = Readonly<Record<string, Price | null>>;

/** Sums of binary fractions end in dust: what is not more than this above a whole number is that number. */
const dust = 1e-6;

/** What a call cost, in millionths of a US dollar, rounded up. What the provider did not count is not in it. */
export function costOf(usage: Usage, price: Price): number {
  const total = usage.input_tokens ?? 0;
  const cached = Math.min(usage.cached_input_tokens ?? 0, total);
  const written = Math.min(usage.cache_write_input_tokens ?? 0, total - cached);
  const said = usage.output_tokens ?? 0;
  // Some providers count reasoning apart from the output, and only their total holds it.
  const apart = Math.max(0, (usage.total_tokens ?? 0) - total - said);
  const thought = Math.min(usage.reasoning_tokens ?? 0, said + apart);
  const at = priceFor(price, total);
  const sum =
    (total - cached - written) * at.input +
    cached * (at.cached_input ?? at.input) +
    written * (at.cache_write_input ?? at.input) +
    (said + apart - thought) * at.output +
    thought * (at.reasoning ?? at.output);
  return Math.max(0, Math.ceil(sum - dust));
}

/** The most that a call with so many tokens can cost, in millionths of a US dollar. */
export function worstCostOf(inputTokens: number, outputTokens: number, price: Price): number {
  const prices = [price, ...(price.long_context === undefined ? [] : [price.long_context])];
  const input = Math.max(
    ...prices.flatMap((at) => [at.input, at.cached_input ?? 0, at.cache_write_input ?? 0]),
  );
  const output = Math.max(...prices.flatMap((at) => [at.output, at.reasoning ?? 0]));
  return Math.max(0, Math.ceil(inputTokens * input + outputTokens * output - dust));
}

function priceFor(price: Price, inputTokens: number): Price {
  const { long_context } = price;
  return long_context !== undefined && inputTokens > long_context.input_tokens
    ? long_context
    : price;
}

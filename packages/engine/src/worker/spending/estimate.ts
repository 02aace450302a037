import type { Part, Usage } from "@parley/protocol";
import type { ChatRow, MessageRow } from "../../domain/rows.ts";
import type { WorstCase } from "../../domain/spending.ts";
import type { ToolSpec } from "../../models/model-port.ts";
import { costOf, worstCostOf } from "../../domain/price.ts";
import type { Wish } from "../../store/spending.ts";
import { bytesPerToken, estimateTokens, tokensInUse, uncounted } from "../compaction/tokens.ts";
import type { Spending } from "./options.ts";

/** How far an estimate by length may be off: some scripts, and code, have about two bytes to a token. */
const errorFactorMax = 2;

/** What a provider adds of its own: the words around tools and roles. */
const overheadTokens = 500;

type Counted = Pick<MessageRow, "role" | "parts" | "usage" | "is_boundary">;

/** What every prompt of a chat begins with. */
export interface Preamble {
  readonly systemPrompt: ChatRow["system_prompt"];
  readonly tools: readonly ToolSpec[];
}

/**
 * The most tokens that the next prompt can have, as far as one can know: what the provider counted for the newest reply,
 * and twice the estimate of everything that nobody has counted.
 */
export function promptTokensMax(context: readonly Counted[], preamble: Preamble): number {
  const fresh = uncounted(context);
  const isWhole = fresh.length === context.length;
  const known = isWhole ? 0 : tokensInUse(context) - estimateTokens(fresh);
  const guess = estimateTokens(fresh) + (isWhole ? preambleTokens(preamble) : 0);
  return known + guess * errorFactorMax + overheadTokens;
}

/** The worst case of a call, and what it is held to. A reply of such a call is no longer than `outputTokens`. */
export function wishFor(
  { prices, policy }: Spending,
  model: string,
  promptTokens: number,
  outputTokens: number,
): Wish {
  const price = prices.of(model);
  const worst: WorstCase = {
    usd_micros: price === null ? null : worstCostOf(promptTokens, outputTokens, price),
    tokens: promptTokens + outputTokens,
  };
  return { ...worst, policy };
}

/** With what it cost, where the model's price is known. */
export function priced({ prices }: Spending, model: string, usage: Usage): Usage {
  const price = prices.of(model);
  return price === null ? usage : { ...usage, cost_usd_micros: costOf(usage, price) };
}

/** For calls whose provider did not say what they used: by the length of what was sent and said. */
export function estimatedUsage(
  context: readonly Counted[],
  preamble: Preamble,
  said: readonly Part[],
): Usage {
  const counted = uncounted(context).length < context.length;
  const input_tokens = tokensInUse(context) + (counted ? 0 : preambleTokens(preamble));
  const output_tokens = estimateTokens([{ parts: said }]);
  return {
    input_tokens,
    output_tokens,
    total_tokens: input_tokens + output_tokens,
    estimated: true,
  };
}

function preambleTokens({ systemPrompt, tools }: Preamble): number {
  const bytes = Buffer.byteLength(systemPrompt ?? "") + Buffer.byteLength(JSON.stringify(tools));
  return Math.ceil(bytes / bytesPerToken);
}

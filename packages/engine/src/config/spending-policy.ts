import type { SpendLimit, SpendPolicy } from "../domain/spending.ts";
import type { Config } from "./load.ts";

/** What model calls are held to, as the settings have it. */
export function spendPolicy(config: Config): SpendPolicy {
  return {
    standing: {
      chat: limit(config.chatBudgetUsd, config.chatBudgetTokens),
      family: limit(config.familyBudgetUsd, config.familyBudgetTokens),
      owner: limit(config.ownerBudgetUsd, config.ownerBudgetTokens),
    },
    ownerPeriod: config.ownerBudgetPeriod,
    countUnknown: config.unknownPrice === "zero",
    outputTokensMax: config.budgetReplyTokens,
  };
}

function limit(usd_micros: number | null, tokens: number | null): SpendLimit | null {
  return usd_micros === null && tokens === null ? null : { usd_micros, tokens };
}

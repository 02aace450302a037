import type { BudgetStanding, RunningUsage, UsageAnswer } from "@parley/protocol";

const microsPerUsd = 1_000_000;

/** `1,234 tokens, $0.0123`; without what nobody knows the price of. */
export function usageText(usage: RunningUsage): string {
  const tokens = `${usage.total_tokens.toLocaleString("en-US")} tokens`;
  if (usage.replies > 0 && usage.unpriced_replies === usage.replies) return tokens;
  const unknown = usage.unpriced_replies === 0 ? "" : " and what is not known";
  return `${tokens}, ${usdText(usage.cost_usd_micros)}${unknown}`;
}

/** What `/usage` shows, line by line. */
export function usageLines({ turn, own, family, budgets }: UsageAnswer): string[] {
  const agents = family.chats - 1;
  return [
    `this turn: ${usageText(turn.total)}`,
    `this chat: ${usageText(own.total)}`,
    ...own.models.map((usage) => `  ${usage.model}: ${usageText(usage)}`),
    ...(agents === 0 ? [] : [`with ${agents} sub-agents: ${usageText(family.total)}`]),
    ...budgets.map(budgetText),
  ];
}

const budgetNames = { chat: "this chat", family: "the family", owner: "all your chats" } as const;

function budgetText({ scope, usd_micros, tokens }: BudgetStanding): string {
  const left = [
    ...(usd_micros === null
      ? []
      : [`${usdText(usd_micros.spent)} of ${usdText(usd_micros.limit)}`]),
    ...(tokens === null
      ? []
      : [
          `${tokens.spent.toLocaleString("en-US")} of ${tokens.limit.toLocaleString("en-US")} tokens`,
        ]),
  ];
  return `budget of ${budgetNames[scope]}: ${left.join(", ")}`;
}

/** Cents where they tell enough, else down to a hundredth of a cent; never nothing for something. */
function usdText(micros: number): string {
  if (micros > 0 && micros < 50) return "less than $0.0001";
  const usd = micros / microsPerUsd;
  return `$${usd.toFixed(usd >= 1 || micros === 0 ? 2 : 4)}`;
}

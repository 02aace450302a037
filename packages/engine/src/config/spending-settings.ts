import { BadValue, integer, oneOf, text, type Parser } from "./parsers.ts";
import { optional, setting } from "./setting.ts";

const microsPerUsd = 1_000_000;
const tokensMax = 1_000_000_000_000;

/** Given in US dollars; the value is in millionths of one. */
const usd: Parser<number> = {
  accepts: "US dollars, down to a millionth of one",
  format: (micros) => String(micros / microsPerUsd),
  parse(value) {
    if (!/^\d{1,9}(\.\d{1,6})?$/.test(value.trim())) throw new BadValue(`must be ${usd.accepts}`);
    return Math.round(Number(value) * microsPerUsd);
  },
};

const money = (scope: string, description: string) =>
  optional({
    section: "Spending",
    env: `PARLEY_${scope}_BUDGET_USD`,
    flag: `${scope.toLowerCase()}-budget-usd`,
    parser: usd,
    description,
  });

const tokens = (scope: string, description: string) =>
  optional({
    section: "Spending",
    env: `PARLEY_${scope}_BUDGET_TOKENS`,
    flag: `${scope.toLowerCase()}-budget-tokens`,
    parser: integer(0, tokensMax),
    description,
  });

/** The rows of the table about what model calls cost and may cost. */
export const spendingSettings = {
  prices: optional({
    section: "Spending",
    env: "PARLEY_PRICES",
    flag: "prices",
    parser: text("a JSON object, or the path of a file with one", /^[^\0]+$/),
    defaultText: "a built-in list",
    description: "What models cost, beside and instead of the built-in list; see below.",
  }),
  unknownPrice: setting({
    section: "Spending",
    env: "PARLEY_UNKNOWN_PRICE",
    flag: "unknown-price",
    parser: oneOf("refuse", "zero"),
    default: "refuse",
    description:
      "What a budget of money does with a model whose price is not known: refuse its calls, or count them as free.",
  }),
  chatBudgetUsd: money(
    "CHAT",
    "What one chat's own model calls may cost, ever. People may set less for a chat, never more.",
  ),
  chatBudgetTokens: tokens("CHAT", "The same in tokens, prompts and replies together."),
  familyBudgetUsd: money("FAMILY", "What a chat may cost together with its sub-agents."),
  familyBudgetTokens: tokens("FAMILY", "The same in tokens."),
  ownerBudgetUsd: money(
    "OWNER",
    "What all chats of one owner may cost in a period. Administrators may set another for single owners.",
  ),
  ownerBudgetTokens: tokens("OWNER", "The same in tokens."),
  ownerBudgetPeriod: setting({
    section: "Spending",
    env: "PARLEY_OWNER_BUDGET_PERIOD",
    flag: "owner-budget-period",
    parser: oneOf("day", "month", "total"),
    default: "month",
    description:
      "After what time an owner's budget begins anew, by the calendar in UTC. `total`: never.",
  }),
  budgetReplyTokens: setting({
    section: "Spending",
    env: "PARLEY_BUDGET_REPLY_TOKENS",
    flag: "budget-reply-tokens",
    parser: integer(1, 10_000_000),
    default: 16_384,
    description:
      "The longest reply of a call that a budget holds, where its model settings do not say: so much is reserved, and the reply is cut there.",
  }),
} as const;

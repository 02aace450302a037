import type { UsageTotals } from "@parley/protocol";
import { expect, test } from "vitest";
import { usageLines, usageText } from "./usage.ts";

const totals = (over: Partial<UsageTotals> = {}): UsageTotals => ({
  replies: 1,
  unpriced_replies: 0,
  input_tokens: 1_200,
  output_tokens: 34,
  total_tokens: 1_234,
  reasoning_tokens: 0,
  cached_input_tokens: 0,
  cache_write_input_tokens: 0,
  cost_usd_micros: 12_345,
  ...over,
});

test.each([
  [totals(), "1,234 tokens, $0.0123"],
  [totals({ cost_usd_micros: 2_500_000 }), "1,234 tokens, $2.50"],
  [totals({ cost_usd_micros: 7 }), "1,234 tokens, less than $0.0001"],
  [totals({ cost_usd_micros: 0 }), "1,234 tokens, $0.00"],
  [totals({ cost_usd_micros: 0, unpriced_replies: 1 }), "1,234 tokens"],
  [totals({ replies: 2, unpriced_replies: 1 }), "1,234 tokens, $0.0123 and what is not known"],
])("%#: %s", (usage, text) => {
  expect(usageText(usage)).toBe(text);
});

test("a chat with sub-agents and budgets", () => {
  const own = { total: totals(), models: [{ model: "a/b", ...totals() }] };
  const family = { ...own, total: totals({ total_tokens: 5_000 }), chats: 3 };
  const turn = { total: totals({ total_tokens: 10 }), models: [] };
  const budgets = [
    { scope: "chat", usd_micros: { limit: 1_000_000, spent: 12_345, reserved: 0 }, tokens: null },
    { scope: "owner", usd_micros: null, tokens: { limit: 9_000, spent: 5_000, reserved: 0 } },
  ] as const;
  expect(usageLines({ own, turn, family, budgets: [...budgets] })).toEqual([
    "this turn: 10 tokens, $0.0123",
    "this chat: 1,234 tokens, $0.0123",
    "  a/b: 1,234 tokens, $0.0123",
    "with 2 sub-agents: 5,000 tokens, $0.0123",
    "budget of this chat: $0.0123 of $1.00",
    "budget of all your chats: 5,000 of 9,000 tokens",
  ]);
});

import type { Budget } from "@parley/protocol";
import type { Rng } from "../../rng.ts";
import type { Act } from "./act.ts";

/** What people do about what they spend, by how often. */
export const budgetWeights = { budget: 2, family_budget: 1, usage: 3 } as const;

export const budgetActs: Readonly<Record<keyof typeof budgetWeights, Act>> = {
  budget: async ({ client, chatId, rng }) =>
    JSON.stringify((await client.patchChat(chatId, { budget: budgetOf(rng) })).budget),
  family_budget: async ({ client, chatId, rng }) =>
    JSON.stringify(
      (await client.patchChat(chatId, { family_budget: budgetOf(rng) })).family_budget,
    ),
  usage: async ({ client, chatId, told }) => {
    const { own } = await client.usage(chatId);
    const { total_tokens, cost_usd_micros } = own.total;
    told.usage(chatId, total_tokens, cost_usd_micros);
    return `${total_tokens} tokens`;
  },
};

/** Enough for some turns, or none at all; or nothing is said about it any more. */
function budgetOf(rng: Rng): Budget | null {
  if (rng.chance(0.5)) return null;
  if (rng.chance(0.5)) return { tokens: rng.pick([0, 2_000, 5_000, 20_000]) };
  return { usd: rng.pick([0.001, 0.01, 0.05]) };
}

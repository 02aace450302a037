import type { OwnerUsageAnswer, OwnerUsageQuery, UsageAnswer } from "@parley/protocol";
import { reportOf } from "../../domain/usage.ts";
import { countDescendants } from "../../store/family.ts";
import { readOwnerBudget, readStandings } from "../../store/spending.ts";
import { readFamilyUsage, readOwnerUsage, readTurnUsage, usageSpan } from "../../store/usage.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";

/** What a chat and the sub-agents below it have used, and what may still be spent. */
export async function usageCommand(
  context: HttpContext,
  caller: Caller,
  chatId: string,
): Promise<UsageAnswer> {
  const { id } = await context.access.read(caller, chatId);
  return await context.machine.read(async (tx) => {
    const [rows, turn, below, budgets] = await Promise.all([
      readFamilyUsage(tx, id),
      readTurnUsage(tx, id),
      countDescendants(tx, id),
      readStandings(tx, id, context.spending),
    ]);
    return {
      own: reportOf(rows.filter((row) => row.own)),
      turn: reportOf(turn),
      family: { ...reportOf(rows), chats: below + 1 },
      budgets,
    };
  }, "http.usage");
}

/** What all chats of the caller have used, by day and model. */
export async function ownerUsageCommand(
  context: HttpContext,
  caller: Caller,
  { from, to }: OwnerUsageQuery,
): Promise<OwnerUsageAnswer> {
  return await context.machine.read(async (tx) => {
    const [span, budget] = await Promise.all([
      usageSpan(tx, from ?? null, to ?? null),
      readOwnerBudget(tx, caller.principalId, context.spending),
    ]);
    const rows = await readOwnerUsage(tx, caller.principalId, span);
    const days = [...Map.groupBy(rows, ({ day }) => day)].map(([day, of]) => ({
      day,
      ...reportOf(of),
    }));
    return { ...span, ...reportOf(rows), days, budget: budget?.standing ?? null };
  }, "http.owner_usage");
}

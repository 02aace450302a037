import type { Budget } from "@parley/protocol";
import { NotFamilyRoot } from "../../domain/errors.ts";
import type { ChatRow } from "../../domain/rows.ts";
import { limitOf, type SpendLimit } from "../../domain/spending.ts";

interface Bounded {
  readonly budget?: Budget | null | undefined;
  readonly family_budget?: Budget | null | undefined;
}

type Limits = Record<keyof Bounded, SpendLimit | null | undefined>;

/** With budgets as rows hold them. @throws NotFamilyRoot where a sub-agent is given a budget for a family. */
export function withBounds<T extends Bounded>(
  patch: T,
  chat: Pick<ChatRow, "id" | "root_chat_id">,
): Omit<T, keyof Bounded> & Limits {
  const { budget, family_budget } = patch;
  if (family_budget && chat.root_chat_id !== chat.id) throw new NotFamilyRoot(chat.root_chat_id);
  return { ...patch, budget: limit(budget), family_budget: limit(family_budget) };
}

function limit(budget: Budget | null | undefined): SpendLimit | null | undefined {
  return budget === undefined || budget === null ? budget : limitOf(budget);
}

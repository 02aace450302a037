import type { Budget, BudgetRefusal, BudgetScope, ChatError, ShownBudget } from "@parley/protocol";

/** Of money in millionths of a US dollar, and of tokens; null: as much as anybody likes. Rows hold it as it is. */
export interface SpendLimit {
  readonly usd_micros: number | null;
  readonly tokens: number | null;
}

/** The deployment's own budgets; null: none. */
export type StandingBudgets = Readonly<Record<BudgetScope, SpendLimit | null>>;

/** Since when spending counts against an owner's budget, by the calendar in UTC. */
export type OwnerPeriod = "day" | "month" | "total";

/** How a deployment holds its model calls to budgets. */
export interface SpendPolicy {
  readonly standing: StandingBudgets;
  readonly ownerPeriod: OwnerPeriod;
  /** A budget of money counts calls of unknown price as free; false: it refuses them. */
  readonly countUnknown: boolean;
  /** The longest reply of a call that a budget holds, in tokens, where its settings do not say. */
  readonly outputTokensMax: number;
}

/** No budget but those that people set. */
export const noStandingBudgets: SpendPolicy = {
  standing: { chat: null, family: null, owner: null },
  ownerPeriod: "month",
  countUnknown: false,
  outputTokensMax: 16_384,
};

/** The most that one model call can use. */
export interface WorstCase {
  /** Null: the model's price is not known. */
  readonly usd_micros: number | null;
  readonly tokens: number;
}

/** What became of the wish to spend: no budget applies; the worst case is reserved; or a budget has no room for it. */
export type SpendAnswer = null | { readonly reserved: true } | BudgetRefusal;

export function isRefusal(answer: SpendAnswer): answer is BudgetRefusal {
  return answer !== null && "scope" in answer;
}

const microsPerUsd = 1_000_000;

export function limitOf({ usd, tokens }: Budget): SpendLimit {
  return {
    usd_micros: usd === undefined || usd === null ? null : Math.round(usd * microsPerUsd),
    tokens: tokens ?? null,
  };
}

export function shownBudget(limit: SpendLimit | null): ShownBudget | null {
  if (limit === null) return null;
  const { usd_micros, tokens } = limit;
  return { usd: usd_micros === null ? null : usd_micros / microsPerUsd, tokens };
}

/** What the user is told of a turn that a budget ended. Run again, it asks the budget again. */
export function budgetExceeded(model: string, refusal: BudgetRefusal): ChatError {
  return {
    kind: "budget_exceeded",
    message: messageOf(model, refusal),
    retryable: true,
    budget: refusal,
  };
}

const owners: Readonly<Record<BudgetScope, string>> = {
  chat: "this chat",
  family: "this chat and its sub-agents",
  owner: "all of your chats",
};

const remedies: Readonly<Record<BudgetScope, string>> = {
  chat: "Raise the chat's budget",
  family: "Raise the first chat's family budget",
  owner: "Ask an administrator to raise it",
};

function messageOf(model: string, refusal: BudgetRefusal): string {
  const { scope, unit, limit, spent, reserved, needed } = refusal;
  const amount = (value: number): string => amountText(unit, value);
  const budget = `The budget of ${owners[scope]} is ${amount(limit)}`;
  if (needed === null) {
    return `${budget}, and what ${model} costs is not known here. Choose another model, or have an administrator add its price.`;
  }
  const flight = reserved === 0 ? "" : `, ${amount(reserved)} are reserved for calls in flight`;
  return `${budget}: ${amount(spent)} are spent${flight}, and the next call may need ${amount(needed)}. ${remedies[scope]}, then retry.`;
}

/** `$1.25`, `$0.000042`, `1200 tokens`. */
export function amountText(unit: BudgetRefusal["unit"], value: number): string {
  if (unit === "tokens") return `${value} tokens`;
  const [whole = "0", fraction = ""] = (value / microsPerUsd).toFixed(6).split(".");
  return `$${whole}.${fraction.replace(/0{1,4}$/, "")}`;
}

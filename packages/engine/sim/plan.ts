import { actionWeights, type Action } from "./actors/user.ts";
import { simPrices, type ModelWeights } from "./actors/models.ts";
import type { LimitImage } from "./checkers/belongings.ts";
import type { SpendingRules } from "./checkers/spending.ts";
import type { SimOptions } from "./options.ts";
import type { Rng } from "./rng.ts";

/** What a seed makes of a run before anything happens in it. */
export interface Plan {
  readonly replicas: number;
  readonly users: number;
  readonly chatsMax: number;
  readonly thinkMs: number;
  readonly actions: Readonly<Record<Action, number>>;
  readonly models: Partial<ModelWeights>;
  /** The deployment's settings, as its environment has them. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Deployments are small and full in some runs: what waits for room meets what fails. */
function settingsOf(rng: Rng): Record<string, string> {
  const settings: Record<string, readonly (string | null)[]> = {
    PARLEY_CAPACITY: [null, null, "1", "2"],
    PARLEY_POOL_SIZE: [null, "2", "3"],
    PARLEY_RUNNING_CHATS_MAX: [null, null, "1", "3"],
    PARLEY_RUNNING_CHATS_PER_OWNER_MAX: [null, null, "1", "2"],
    PARLEY_RUNNING_SUB_AGENTS_MAX: [null, "1", "3"],
    PARLEY_TURN_STEPS: [null, "3", "8"],
    PARLEY_QUEUE_MESSAGES: [null, "2"],
    PARLEY_FRAME_EVENTS: [null, "1", "7"],
    PARLEY_COMPACTION_PERCENT: [null, "30"],
    PARLEY_DRAIN_GRACE_SECONDS: ["5", "1"],
    PARLEY_SUB_AGENTS: ["all", "all", "off"],
    // Short replies are reserved for, so that budgets have room for some calls and not for all.
    PARLEY_BUDGET_REPLY_TOKENS: ["200"],
    PARLEY_OWNER_BUDGET_PERIOD: ["total"],
    PARLEY_OWNER_BUDGET_TOKENS: [null, null, null, "150000"],
    PARLEY_FAMILY_BUDGET_TOKENS: [null, null, null, "20000"],
    PARLEY_CHAT_BUDGET_TOKENS: [null, null, null, "10000"],
    PARLEY_PRICES: [JSON.stringify(simPrices)],
    PARLEY_FILE_UNUSED_SECONDS: [null, "60"],
  };
  const drawn = Object.entries(settings).map(([name, values]) => [name, rng.pick(values)] as const);
  return Object.fromEntries(drawn.filter((entry): entry is [string, string] => entry[1] !== null));
}

/** The budgets that these settings give to all. */
export function standingOf({ settings }: Pick<Plan, "settings">): SpendingRules["standing"] {
  const limit = (scope: string): LimitImage | undefined => {
    const tokens = settings[`PARLEY_${scope}_BUDGET_TOKENS`];
    return tokens === undefined ? undefined : { tokens: Number(tokens), usd_micros: null };
  };
  const [chat, family, owner] = ["CHAT", "FAMILY", "OWNER"].map(limit);
  return { ...(chat && { chat }), ...(family && { family }), ...(owner && { owner }) };
}

/** Runs differ in kind, not only in detail: what never meets in an average run meets in some. */
export function planOf(options: SimOptions, rng: Rng): Plan {
  const actions: Record<Action, number> = { ...actionWeights };
  for (const action of Object.keys(actions) as Action[]) {
    const factor = rng.pick([0.2, 1, 1, 1, 3]);
    actions[action] = options.withoutActions.includes(action) ? 0 : actions[action] * factor;
  }
  // Without chats nothing can be done to any.
  actions.create = Math.max(actions.create, 1);
  const models = rng.pick<Partial<ModelWeights>>([
    {},
    {},
    { tools: 80 },
    { tools: 150 },
    { tools: 150 },
    { slow: 40, silent: 8 },
    { fail: 30, fail_midway: 20 },
    { huge: 20 },
  ]);
  const replicas = rng.weighted({ "1": 1, "2": 3, "3": 5, "4": 2 });
  return {
    replicas: options.replicas ?? Number(replicas),
    users: options.users ?? rng.int(1, 3),
    chatsMax: rng.int(1, 5),
    thinkMs: rng.pick([120, 400, 1_200, 3_000]),
    actions,
    models: options.models ?? models,
    settings: settingsOf(rng.fork("settings")),
  };
}

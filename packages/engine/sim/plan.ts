import { actionWeights, type Action } from "./actors/user.ts";
import type { ModelWeights } from "./actors/models.ts";
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
  };
}

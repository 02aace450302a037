import { actionWeights, type Action } from "./actors/user.ts";
import type { FinishedRun, RunOrder } from "./campaign.ts";
import { faultKinds, type FaultKind } from "./faults/kinds.ts";
import { mutationOf } from "./mutations/mutations.ts";

export interface ShrinkOptions {
  readonly failing: FinishedRun;
  /** Runs, and gives the result where it fails still, by the same checker. */
  readonly run: (order: RunOrder) => Promise<FinishedRun>;
  readonly onSmaller: (order: RunOrder) => void;
}

/** Users that are tried, fewest first. */
const fewerUsers = [1, 2];
const fewerReplicas = [1, 2];

/**
 * Leaves out fault kinds and actions, replicas and users, and time after the failure, one after the other, as long as
 * the same checker still fails. What is left is often one fault and a handful of actions.
 */
export async function shrink({ failing, run, onSmaller }: ShrinkOptions): Promise<FinishedRun> {
  const { mutation } = failing.order;
  // A bug that was put in on purpose may upset other checkers before the one that it is for.
  const checker =
    mutation === undefined ? failing.result.violations[0]?.checker : mutationOf(mutation).checker;
  let smallest = failing;
  const attempt = async (order: RunOrder): Promise<boolean> => {
    const finished = await run(order);
    if (!finished.result.violations.some((found) => found.checker === checker)) return false;
    smallest = finished;
    onSmaller(order);
    return true;
  };
  const { order } = failing;
  for (const users of fewerUsers) {
    if (await attempt({ ...smallest.order, users })) break;
  }
  for (const replicas of fewerReplicas) {
    if (await attempt({ ...smallest.order, replicas })) break;
  }
  const faults = (order.onlyFaults ?? faultKinds).filter(
    (kind) => !order.withoutFaults.includes(kind),
  );
  await leaveOut<FaultKind>(faults, async (without) => {
    const withoutFaults = [...order.withoutFaults, ...without];
    return await attempt({ ...smallest.order, withoutFaults });
  });
  const actions = (Object.keys(actionWeights) as Action[]).filter(
    (action) => action !== "create" && !order.withoutActions.includes(action),
  );
  await leaveOut<Action>(actions, async (without) => {
    const withoutActions = [...order.withoutActions, ...without];
    return await attempt({ ...smallest.order, withoutActions });
  });
  return smallest;
}

/** Halves first, then single ones: the greatest set that can be left out is found in few tries, if not always. */
async function leaveOut<T>(
  items: readonly T[],
  works: (without: readonly T[]) => Promise<boolean>,
): Promise<void> {
  let without: readonly T[] = [];
  for (let size = Math.ceil(items.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < items.length; from += size) {
      const more = items.slice(from, from + size).filter((item) => !without.includes(item));
      if (more.length === 0) continue;
      const candidate = [...without, ...more];
      // oxlint-disable-next-line no-await-in-loop
      if (await works(candidate)) without = candidate;
    }
  }
}

import { expect, test } from "vitest";
import { actionWeights, type Action } from "./actors/user.ts";
import { runCampaign, type FinishedRun, type RunOrder } from "./campaign.ts";
import { mutationOf } from "./mutations/mutations.ts";
import { shrink } from "./shrink.ts";

/** One process for all of them: each has a database to load. */
async function withRuns<T>(
  body: (run: (order: RunOrder) => Promise<FinishedRun>) => Promise<T>,
): Promise<T> {
  const wanted: { order: RunOrder; done: (run: FinishedRun) => void }[] = [];
  let wake = Promise.withResolvers<void>();
  let over = false;
  const campaign = runCampaign({
    jobs: 1,
    next: async () => {
      while (wanted.length === 0 && !over) {
        // oxlint-disable-next-line no-await-in-loop
        await wake.promise;
        wake = Promise.withResolvers();
      }
      return wanted[0]?.order ?? null;
    },
    onFinished: (run) => wanted.shift()?.done(run),
  });
  try {
    return await body(
      async (order) =>
        await new Promise((done) => {
          wanted.push({ order, done });
          wake.resolve();
        }),
    );
  } finally {
    over = true;
    wake.resolve();
    await campaign;
  }
}

const faults = ["client_drop", "bus", "pause"] as const;

/** What is left to leave out: each try is a run. */
const actions: readonly Action[] = ["create", "send", "interrupt", "read", "patch"];

test("a failure that is made smaller fails by the same checker, with less", async () => {
  const mutation = "a reply counts for more than it says";
  const { checker } = mutationOf(mutation);
  const given: RunOrder = {
    seed: "shrink-1",
    minutes: 0.5,
    withoutFaults: ["relay_drop"],
    withoutActions: (Object.keys(actionWeights) as Action[]).filter(
      (action) => !actions.includes(action),
    ),
    onlyFaults: faults,
    replicas: 2,
    users: 2,
    mutation,
  };
  const smallest = await withRuns(async (run) => {
    const failing = await run(given);
    expect(failing.result.violations.map((found) => found.checker)).toContain(checker);
    return await shrink({ failing, run, onSmaller: () => {} });
  });
  const { result, order } = smallest;
  expect(result.violations.map((found) => found.checker)).toContain(checker);
  expect(order).toMatchObject({ seed: given.seed, users: 1, replicas: 1, mutation });
  // What was left out before still is, and none of the faults is needed for this one.
  expect(order.withoutFaults).toEqual(expect.arrayContaining(["relay_drop", ...faults]));
  expect(order.withoutActions).toEqual(expect.arrayContaining([...given.withoutActions]));
  expect(order.withoutActions.length).toBeGreaterThan(given.withoutActions.length);
});

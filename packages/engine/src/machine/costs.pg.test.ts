import { afterAll, beforeAll, expect, test } from "vitest";
import { chatIn, newChat } from "../../test/chat-in-state.ts";
import { byApi } from "../../test/scenarios/by-api.ts";
import { byQueue } from "../../test/scenarios/by-queue.ts";
import { byWorker } from "../../test/scenarios/by-worker.ts";
import type { Scenario } from "../../test/scenarios/scenario.ts";
import { createWorld, type World } from "../../test/world.ts";
import type { TransitionName } from "../domain/transitions.ts";
import { defined } from "../lib/assert.ts";
import type { Bundle } from "./bundle.ts";

/**
 * What a bundle of one transition costs at worst: statements, and round trips with BEGIN and COMMIT among them. Round
 * trips are what time goes into; the least possible is two. A change of these numbers is a decision, not an accident.
 */
const costs: Record<TransitionName, readonly [statements: number, roundTrips: number]> = {
  createChat: [3, 2],
  setArchived: [3, 4],
  sendMessage: [9, 6],
  editMessage: [10, 5],
  promoteSteering: [8, 5],
  deleteQueuedMessage: [6, 5],
  promoteQueuedMessage: [9, 5],
  reorderQueuedMessage: [7, 6],
  editQueuedMessage: [7, 6],
  interrupt: [3, 3],
  completeRequiresAction: [6, 6],
  decideApproval: [6, 6],
  retryTurn: [4, 4],
  deleteChat: [4, 4],
  forkChat: [4, 5],
  requestCompaction: [3, 4],
  clearContext: [6, 6],
  recordGenerationAttempt: [2, 3],
  recordRetryState: [3, 3],
  commitStep: [3, 3],
  enterRequiresAction: [4, 5],
  finishInterruption: [10, 5],
  finishTurn: [7, 5],
  finishError: [8, 6],
  cancelRequiresAction: [6, 6],
  reconcileInvalidState: [8, 5],
};

const scenarios = { ...byApi, ...byQueue, ...byWorker };
const names = Object.keys(costs) as TransitionName[];

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => await world.drop());

test.each(names)("%s", async (name) => {
  const counted: [number, number][] = [];
  for (const scenario of defined(scenarios[name], "scenarios")) {
    // oxlint-disable-next-line no-await-in-loop
    counted.push(await count(scenario, name));
  }
  const most = (n: 0 | 1): number => Math.max(...counted.map((each) => each[n]));
  const [statements, roundTrips] = costs[name];
  expect(most(0)).toBe(statements);
  // Answers that come in one after the other may let the next statements overlap with the last of them: fewer, then.
  expect(most(1)).toBeLessThanOrEqual(roundTrips);
});

async function count(scenario: Scenario, name: TransitionName): Promise<[number, number]> {
  const { from, with: options, prepare } = scenario;
  const fixture = await chatIn(world, from === "N" ? "W" : from, options);
  await prepare?.(world, fixture);
  const { stats } = world.database;
  const before = stats.snapshot();
  const fn = (bundle: Bundle): Promise<unknown> => scenario.apply(bundle, fixture, world);
  const operation = "counted";
  if (from === "N") {
    const status = name === "forkChat" ? "waiting" : "running";
    await world.machine.create(newChat(world, { status }), fn, { operation });
  } else {
    await world.machine.update(fixture.id, fn, { operation });
  }
  const { statements, roundTrips, writes } = defined(
    stats.since(before).operations[operation],
    "counts",
  );
  expect(writes).toBe(1);
  return [statements, roundTrips];
}

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Cluster } from "./replica.ts";
import { says } from "./scripted-models.ts";

/** Workers of several replicas over one database: who drives the chat. */

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

test("two replicas race for one chat: one wins, the other does nothing", async () => {
  const [one, other] = [await cluster.replica(), await cluster.replica()];
  for (let race = 0; race < 20; race++) {
    const before = [one, other].map(({ models, commits }) => ({
      calls: models.requests.length,
      commits: commits.length,
    }));
    // Whose API it was does not take it: both are told of it at the same moment.
    const id = await one.create(`race ${race}`, {}, false);
    const made = one.commits.length - before[0]!.commits;
    one.worker.resync();
    other.worker.resync();
    await cluster.untilIdle(id);
    const calls = [one, other].map(({ models }, i) => models.requests.length - before[i]!.calls);
    expect(calls.toSorted((a, b) => a - b)).toEqual([0, 1]);
    const loser = calls[0] === 0 ? one : other;
    const own = loser === one ? made : 0;
    const was = before[loser === one ? 0 : 1]!.commits;
    expect(loser.commits.length - was).toBe(own);
    expect(await cluster.history(id)).toHaveLength(2);
  }
});

test("two replicas stop one chat at the same time: it is stopped once", async () => {
  const [one, other] = [await cluster.replica(), await cluster.replica()];
  one.models.enqueue(async (speaker) => {
    speaker.text("half");
    await speaker.hang();
  });
  const id = await one.create();
  await one.models.request(1);
  const both = await Promise.allSettled([one.interrupt(id), other.interrupt(id)]);
  expect(both.some(({ status }) => status === "fulfilled")).toBe(true);
  await cluster.untilIdle(id);
  const history = await cluster.history(id);
  expect(history.map(({ finish_reason }) => finish_reason)).toEqual([null, "interrupted"]);
  other.models.enqueue(says("on we go"));
  one.models.enqueue(says("on we go"));
  await other.send(id, "And now?");
  await cluster.untilIdle(id);
  expect(await cluster.history(id)).toHaveLength(4);
});

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Cluster, type Replica } from "../../test/replica.ts";
import { calls, says } from "../../test/scripted-models.ts";
import { defineTool, type Tool } from "../tools/tool.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

async function resultsOf(chatId: string): Promise<unknown[]> {
  const history = await cluster.history(chatId);
  return history.flatMap(({ role, parts }) => (role === "tool" ? parts : []));
}

describe("while replicas are being replaced (C36)", () => {
  const named = (name: string, runs: string[] = []): Tool =>
    defineTool({
      name,
      description: "",
      input: {},
      execute: () => {
        runs.push(name);
        return `${name} ran`;
      },
    });

  /** The call was made by a replica that knew the tool, and was taken over by one that does not. */
  async function callOf(tool: string, taker: Replica): Promise<string> {
    taker.models.enqueue(calls(["c1", tool]), says("done"));
    return await taker.create();
  }

  test("a call goes to the replica that has its tool", async () => {
    const runs: string[] = [];
    const lacks = await cluster.replica({ tools: [named("other")] });
    const has = await cluster.replica({ tools: [named("other"), named("fresh", runs)] });
    has.models.enqueue(says("done"));
    const id = await callOf("fresh", lacks);
    await cluster.untilIdle(id);
    expect(runs).toEqual(["fresh"]);
    expect(await resultsOf(id)).toMatchObject([{ output: "fresh ran", is_error: false }]);
    expect(has.models.requests).toHaveLength(1);
    expect(lacks.worker.stats().runners).toBe(0);
  });

  test("it is left to a replica that is busy with others, and is not asked back for meanwhile", async () => {
    const lacks = await cluster.replica();
    const has = await cluster.replica({ tools: [named("fresh")], worker: { capacity: 1 } });
    const gate = Promise.withResolvers<void>();
    has.models.enqueue(async (speaker) => {
      await speaker.wait(gate.promise);
      speaker.text("at last");
      return "stop";
    }, says("done"));
    const busy = await has.create();
    await has.models.request(1);
    const id = await callOf("fresh", lacks);
    await cluster.until(id, (row) => row.worker_id === null && row.history_version > 1);
    const { snapshot_version } = await cluster.chat(id);
    await lacks.clock.advance(2_000);
    expect(await cluster.chat(id)).toMatchObject({ worker_id: null, snapshot_version });
    // Stopping it would be anybody's; here there is room again.
    gate.resolve();
    await cluster.untilIdle(busy);
    await has.passTime(cluster.untilIdle(id));
    expect(await resultsOf(id)).toMatchObject([{ output: "fresh ran" }]);
  });

  test("a call that nobody can run is answered, and says so", async () => {
    const lacks = await cluster.replica({ tools: [named("other")] });
    const other = await cluster.replica({ tools: [named("another")] });
    const id = await callOf("gone", lacks);
    await cluster.untilIdle(id);
    expect(await resultsOf(id)).toMatchObject([
      { is_error: true, output: expect.stringContaining('no tool "gone"') },
    ]);
    expect(other.models.requests).toEqual([]);
  });

  test("a replica that drains, or has died, is not waited for", async () => {
    const draining = await cluster.replica({ tools: [named("fresh")] });
    await draining.worker.drain(1_000);
    const dead = await cluster.replica({ tools: [named("fresh")] });
    await dead.kill();
    const lacks = await cluster.replica();
    await cluster.bury(lacks);
    const id = await callOf("fresh", lacks);
    await cluster.untilIdle(id);
    expect(await resultsOf(id)).toMatchObject([{ output: expect.stringContaining("no tool") }]);
  });

  test("one that lacks only one of two tools hands both over", async () => {
    const runs: string[] = [];
    const lacks = await cluster.replica({ tools: [named("old", runs)] });
    const has = await cluster.replica({ tools: [named("old", runs), named("fresh", runs)] });
    lacks.models.enqueue(calls(["c1", "old"], ["c2", "fresh"]));
    has.models.enqueue(says("done"));
    const id = await lacks.create();
    await cluster.untilIdle(id);
    expect(runs).toEqual(["old", "fresh"]);
    expect(has.models.requests).toHaveLength(1);
  });
});

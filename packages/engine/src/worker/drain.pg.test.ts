import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Cluster } from "../../test/replica.ts";
import { calls, fails, hangs, says } from "../../test/scripted-models.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

describe("drain", () => {
  test("lets the step that runs come to its end, and hands the next one over", async () => {
    const replica = await cluster.replica();
    const gate = Promise.withResolvers<void>();
    replica.models.enqueue(async (speaker) => {
      speaker.text("first step");
      await speaker.wait(gate.promise);
      return "pause";
    });
    const id = await replica.create();
    await replica.models.request(1);
    const drained = replica.worker.drain(30_000);
    gate.resolve();
    await drained;
    const row = await cluster.chat(id);
    expect(row).toMatchObject({ status: "running", worker_id: null, takeovers: 0 });
    expect((await cluster.history(id)).map(({ role }) => role)).toEqual(["user", "assistant"]);

    const next = await cluster.replica();
    next.models.enqueue(says("second step"));
    next.worker.resync();
    expect((await cluster.untilIdle(id)).status).toBe("waiting");
    expect(await cluster.history(id)).toHaveLength(3);
  });

  test("after the grace keeps what was said in the checkpoint, and gives the chat up with a hint", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(hangs("said in time"));
    const id = await replica.create();
    await replica.models.request(1);
    const drained = replica.worker.drain(30_000);
    await replica.clock.waitForTimer("drain.grace");
    await replica.clock.advance(30_000);
    await drained;
    expect(await cluster.chat(id)).toMatchObject({ status: "running", worker_id: null });
    expect(replica.commits.at(-1)?.chat).toMatchObject({ worker_id: null, status: "running" });

    // Before the other is there, which would answer the message at once.
    await replica.interrupt(id);
    await cluster.replica();
    await cluster.untilIdle(id);
    expect((await cluster.history(id))[1]?.parts).toMatchObject([{ text: "said in time" }]);
  });

  test("gives up at once what only waits", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(calls(["c1", "ask"]), fails("overloaded"));
    const waiting = await replica.create("ask", {
      client_tools: [{ name: "ask", input_schema: { type: "object" } }],
    });
    await cluster.untilState(waiting, "A0");
    const retrying = await replica.create("retry");
    await replica.clock.waitForTimer("runner.model_retry");
    await replica.worker.drain(30_000);
    expect(await cluster.chat(waiting)).toMatchObject({
      worker_id: null,
      status: "requires_action",
    });
    expect(await cluster.chat(retrying)).toMatchObject({ worker_id: null, status: "running" });
  });

  test("takes nothing more, from the API either", async () => {
    const replica = await cluster.replica();
    await replica.worker.drain(30_000);
    const id = await replica.create();
    await replica.clock.advance(5_000);
    expect((await cluster.chat(id)).worker_id).toBeNull();
    expect(replica.worker.stats()).toMatchObject({ runners: 0, draining: true });
  });

  test("is over at once when there is nothing to wait for, and the worker's row goes with the stop", async () => {
    const replica = await cluster.replica();
    await replica.worker.drain(30_000);
    await replica.stop();
    expect(await cluster.rows(`select id from parley.workers`)).toEqual([]);
  });
});

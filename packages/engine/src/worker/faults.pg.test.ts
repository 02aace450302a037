import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createDatabaseProxy, type DatabaseProxy } from "../../test/database-proxy.ts";
import { eventually } from "../../test/eventually.ts";
import { Cluster, type Replica } from "../../test/replica.ts";
import { calls, hangs, says } from "../../test/scripted-models.ts";
import { FenceLost } from "../domain/errors.ts";
import { defineTool } from "../tools/tool.ts";

let cluster: Cluster;
let proxy: DatabaseProxy;
beforeAll(async () => {
  cluster = await Cluster.create();
  proxy = await createDatabaseProxy(cluster.settings);
});
afterEach(async () => {
  proxy.restore();
  await cluster.reset();
});
afterAll(async () => {
  await proxy.close();
  await cluster.drop();
});

/** A replica that reaches the database by way of the proxy, in the middle of a reply. */
async function replying(
  said: string,
): Promise<{ replica: Replica; id: string; finish: () => void }> {
  const gate = Promise.withResolvers<void>();
  const replica = await cluster.replica({ settings: proxy.settings });
  replica.models.enqueue(async (speaker) => {
    speaker.text(said);
    await speaker.wait(gate.promise);
  });
  const id = await replica.create();
  await replica.models.request(1);
  return { replica, id, finish: () => gate.resolve() };
}

async function history(id: string): Promise<unknown[]> {
  return (await cluster.history(id)).map(({ role, parts }) => [role, parts]);
}

test("a task that the fence refuses again and again is tried again with pauses", async () => {
  const replica = await cluster.replica();
  replica.models.enqueue(says("at last"));
  // What a row cannot be made to do: it still names this runner, and the fence refuses it.
  const refusedAt: number[] = [];
  const { machine, clock } = replica;
  const update = machine.update.bind(machine);
  machine.update = async (chatId, fn, options) => {
    if (options?.fence === undefined) return await update(chatId, fn, options);
    refusedAt.push(clock.monotonic());
    throw new FenceLost(chatId);
  };
  // Under a budget the attempt is not recorded with the message: its reservation is what is refused here.
  const id = await replica.create("hello", { budget: { usd_micros: null, tokens: 1_000_000 } });
  while (refusedAt.length < 4) {
    await clock.waitForTimer("runner.refused");
    await clock.advance(2_000);
  }
  const [first = 0, second = 0, third = 0, fourth = 0] = refusedAt;
  expect(second).toBe(first);
  expect(third).toBeGreaterThan(second);
  expect(fourth).toBeGreaterThan(third);
  machine.update = update;
  await replica.passTime(cluster.untilIdle(id));
  expect(await history(id)).toHaveLength(2);
  expect(replica.models.requests).toHaveLength(1);
});

describe("the database goes away in the middle of a reply", () => {
  test("and comes back: the reply is committed once, and the model is not asked again", async () => {
    const { replica, id, finish } = await replying("worth keeping");
    proxy.goAway();
    finish();
    await replica.clock.waitForTimer("runner.database");
    proxy.restore();
    const row = await replica.passTime(cluster.untilIdle(id));
    expect(row.status).toBe("waiting");
    expect(await history(id)).toMatchObject([
      ["user", {}],
      ["assistant", [{ text: "worth keeping" }]],
    ]);
    expect(replica.models.requests).toHaveLength(1);
  });

  test("and all its sessions are ended: the same", async () => {
    const { replica, id, finish } = await replying("worth keeping");
    await cluster.rows(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()`,
    );
    finish();
    const row = await replica.passTime(cluster.untilIdle(id));
    expect(row.status).toBe("waiting");
    expect(await history(id)).toHaveLength(2);
    expect(replica.models.requests).toHaveLength(1);
  });

  test("and the answer to the commit is lost: nothing is doubled", async () => {
    const { replica, id, finish } = await replying("said once");
    proxy.loseNextCommitAnswer();
    finish();
    await replica.passTime(cluster.untilIdle(id));
    expect(await history(id)).toMatchObject([
      ["user", {}],
      ["assistant", [{ text: "said once" }]],
    ]);
    await replica.passTime(noRunners(replica));
    expect(replica.models.requests).toHaveLength(1);
  });

  test("and a stop from elsewhere is obeyed when it is back", async () => {
    const { replica, id } = await replying("half");
    const other = await cluster.replica();
    proxy.goAway();
    replica.cutOff = true;
    await other.interrupt(id);
    proxy.restore();
    replica.worker.resync();
    await replica.passTime(cluster.untilIdle(id));
    expect(await history(id)).toMatchObject([
      ["user", {}],
      ["assistant", [{ text: "half" }]],
    ]);
  });
});

test("the answer to the API's commit is lost: the reserved runner looks, and drives the chat", async () => {
  // Without the audit, which would find the chat in the end.
  const worker = { auditMs: 1_000_000_000 };
  const replica = await cluster.replica({ settings: proxy.settings, worker });
  const id = await replica.create("first");
  await cluster.untilIdle(id);
  // The turn's own commit has been answered: the next one is the message's.
  await noRunners(replica);
  proxy.loseNextCommitAnswer();
  await expect(replica.send(id, "second")).rejects.toMatchObject({ code: "commit_unknown" });
  const row = await replica.passTime(
    cluster.until(
      id,
      ({ status, snapshot_version }) => status === "waiting" && snapshot_version > 3,
    ),
  );
  expect(row.status).toBe("waiting");
  expect(await history(id)).toHaveLength(4);
});

test("a tool's result is stored when the database is back, and the tool does not run again", async () => {
  let runs = 0;
  const gate = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  const tool = defineTool({
    name: "once",
    description: "",
    input: { type: "object" },
    execute: async () => {
      runs += 1;
      begun.resolve();
      return await gate.promise;
    },
  });
  const replica = await cluster.replica({ settings: proxy.settings, tools: [tool] });
  replica.models.enqueue(calls(["c1", "once"]), says("done"));
  const id = await replica.create();
  await begun.promise;
  proxy.goAway();
  gate.resolve("the result");
  await replica.clock.waitForTimer("runner.database");
  proxy.restore();
  await replica.passTime(cluster.untilIdle(id));
  const [, , results] = await cluster.history(id);
  expect(results?.parts).toMatchObject([{ output: "the result", is_error: false }]);
  expect(runs).toBe(1);
});

test("beats go on after their connection was lost; the lock is made anew", async () => {
  const replica = await cluster.replica({ settings: proxy.settings });
  const key = await replica.passTime(lockKey(replica, null));
  proxy.goAway();
  proxy.restore();
  const next = await replica.passTime(lockKey(replica, key));
  expect(next).not.toBe(key);
  const [row] = await cluster.rows<{ fresh: boolean }>(
    `select healthy_since > started_at as fresh from parley.workers where id = '${replica.worker.id}'`,
  );
  expect(row).toEqual({ fresh: true });
});

test("a worker whose lease was over while another lived on goes on under a new name, and lets its chats be", async () => {
  const { replica, id } = await replying("stale");
  const request = await replica.models.request(1);
  const { id: name } = replica.worker;
  proxy.goAway();
  replica.cutOff = true;
  const next = await cluster.replica();
  next.models.enqueue(says("fresh"));
  await cluster.bury(next);
  await cluster.untilIdle(id);
  await replica.clock.advance(21_000);
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  request.signal.addEventListener("abort", () => resolve());
  expect(request.signal.aborted).toBe(false);
  proxy.restore();
  await replica.passTime(aborted);
  // The runner may hear of the other before the beats do.
  await replica.passTime(eventually("the worker has a new name", () => replica.worker.id !== name));
  expect(replica.worker.is(name)).toBe(true);
  expect(replica.worker.stats().runners).toBe(0);
});

test("a worker whose lease was over because the database stood still comes back under its name, with its chats", async () => {
  const { replica, id } = await replying("still mine");
  const request = await replica.models.request(1);
  const { id: name } = replica.worker;
  proxy.goAway();
  await replica.clock.advance(21_000);
  expect(replica.worker.stats().alive).toBe(false);
  proxy.restore();
  const back = (async () => {
    while (!replica.worker.stats().alive) await new Promise((resolve) => setImmediate(resolve));
  })();
  await replica.passTime(back);
  expect(replica.worker.id).toBe(name);
  expect(request.signal.aborted).toBe(false);
  expect(await cluster.chat(id)).toMatchObject({ worker_id: name, status: "running" });
  await replica.interrupt(id);
  await cluster.untilIdle(id);
});

test("a deleted chat ends its runner", async () => {
  const replica = await cluster.replica();
  replica.models.enqueue(hangs("x"));
  const id = await replica.create();
  const request = await replica.models.request(1);
  await cluster.sql(`delete from parley.chats where id = '${id}'`);
  replica.worker.resync();
  await noRunners(replica);
  expect(request.signal.aborted).toBe(true);
});

async function lockKey(replica: Replica, not: number | null): Promise<number> {
  for (;;) {
    const [row] = await cluster.rows<{ lock_key: number | null }>(
      `select lock_key from parley.workers where id = '${replica.worker.id}'`,
    );
    const key = row?.lock_key ?? null;
    if (key !== null && key !== not) return key;
  }
}

/** Waits for the replica's runners to have ended; each look is a turn of the loop. */
async function noRunners(replica: Replica): Promise<void> {
  while (replica.worker.stats().runners > 0) await new Promise((resolve) => setImmediate(resolve));
}

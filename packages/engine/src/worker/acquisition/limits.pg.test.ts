import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Cluster, type Replica } from "../../../test/replica.ts";
import { calls, hangs, ScriptedModels, type Speaker } from "../../../test/scripted-models.ts";
import { completeRequiresAction } from "../../machine/transitions/complete-requires-action.ts";
import { readBacklog } from "../../store/backlog.ts";
import { noLimits } from "../../domain/running-limits.ts";
import { sweepSlots } from "../../store/slots.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

interface Slot {
  readonly chat_id: string;
  readonly worker_id: string;
  readonly runner_id: string;
  readonly owner_id: string;
  readonly kind: string;
}

const slots = async (): Promise<Slot[]> =>
  await cluster.rows<Slot>(
    `select chat_id, worker_id, runner_id, owner_id, kind from parley.slots`,
  );

async function owner(name: string): Promise<string> {
  const id = randomUUID();
  await cluster.sql(`insert into parley.principals (id, name) values ('${id}', '${name}')`);
  return id;
}

/** A running chat of which nobody was told. */
async function quiet(): Promise<string> {
  const id = randomUUID();
  await cluster.sql(`
    insert into parley.chats (id, owner_id, root_chat_id, model, status)
      values ('${id}', '${cluster.owner}', '${id}', 'test/model', 'running');
    insert into parley.chat_messages (chat_id, role, parts)
      values ('${id}', 'user', '[{"type": "text", "text": "hello"}]')`);
  return id;
}

/** Every call speaks when the test says so, and not before. */
class Gates {
  readonly open: (() => void)[] = [];

  script = async (speaker: Speaker): Promise<"stop"> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.open.push(resolve);
    await speaker.wait(promise);
    speaker.text("ok");
    return "stop";
  };

  enqueue(replica: Replica, n: number): void {
    for (let i = 0; i < n; i++) replica.models.enqueue(this.script);
  }
}

describe("a slot", () => {
  test("is taken with the chat, and given back with the end of the turn", async () => {
    const replica = await cluster.replica();
    const gates = new Gates();
    gates.enqueue(replica, 1);
    const id = await replica.create();
    await replica.models.request(1);
    const { runner_id } = await cluster.chat(id);
    const held = { chat_id: id, worker_id: replica.worker.id, runner_id, owner_id: cluster.owner };
    expect(await slots()).toEqual([{ ...held, kind: "root" }]);
    gates.open[0]?.();
    await cluster.untilIdle(id);
    expect(await slots()).toEqual([]);
  });

  test("is not held while the chat is stopped, and goes with its chat", async () => {
    const replica = await cluster.replica({ start: false });
    const id = await replica.create("hello", {}, false);
    const by = { worker: randomUUID(), runner: randomUUID() };
    await cluster.sql(`update parley.chats set worker_id = '${by.worker}', runner_id = '${by.runner}',
      snapshot_version = snapshot_version + 1 where id = '${id}'`);
    expect(await slots()).toHaveLength(1);
    await replica.interrupt(id);
    expect(await slots()).toEqual([]);
    await cluster.sql(`update parley.chats set status = 'running' where id = '${id}'`);
    expect(await slots()).toHaveLength(1);
    await cluster.sql(`delete from parley.chats where id = '${id}'`);
    expect(await slots()).toEqual([]);
  });

  test("that names a runner of the past is swept; one that is held is not", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(hangs());
    const id = await replica.create();
    await replica.models.request(1);
    const stray = await replica.create("stray", {}, false);
    await cluster.untilIdle(stray);
    await cluster.sql(`insert into parley.slots (chat_id, worker_id, runner_id, owner_id, kind)
      values ('${stray}', '${replica.worker.id}', '${randomUUID()}', '${cluster.owner}', 'root')`);
    const removed = await cluster.database.write(async (tx) => await sweepSlots(tx, 10));
    expect(removed).toBe(1);
    expect((await slots()).map(({ chat_id }) => chat_id)).toEqual([id]);
  });

  test("of a dead worker does not count, and is its successor's with the chat", async () => {
    const limits = { roots: 1 };
    const dead = await cluster.replica({ limits });
    dead.models.enqueue(hangs());
    const id = await dead.create();
    await dead.models.request(1);
    const survivor = await cluster.replica({ limits });
    survivor.models.enqueue(hangs(), hangs());
    const other = await survivor.create("other");
    expect((await cluster.chat(other)).worker_id).toBeNull();
    await dead.kill();
    await cluster.bury(survivor);
    await survivor.models.request(1);
    const held = await slots();
    expect(held.filter(({ worker_id }) => worker_id === survivor.worker.id)).toHaveLength(1);
    const taken = (await cluster.chat(other)).worker_id === null ? id : other;
    const rows = held.filter(({ chat_id }) => chat_id === taken);
    expect(rows).toMatchObject([{ worker_id: survivor.worker.id }]);
    expect(rows[0]?.runner_id).toBe((await cluster.chat(taken)).runner_id);
  });
});

describe("the limit of a deployment", () => {
  test("is never exceeded, whoever takes and however", async () => {
    const roots = 3;
    const gates = new Gates();
    const replicas = [
      await cluster.replica({ limits: { roots } }),
      await cluster.replica({ limits: { roots } }),
    ];
    for (const replica of replicas) gates.enqueue(replica, 40);
    let most = 0;
    const watch = async (): Promise<void> => {
      most = Math.max(most, (await slots()).length);
    };
    const made = Promise.all(
      Array.from({ length: 30 }, async (_, i) => {
        // Half of them by the API of either replica, half found by both.
        const id = await (replicas[i % 2] as Replica).create(`chat ${i}`, {}, i % 4 < 2);
        await watch();
        return id;
      }),
    );
    const ids = await made;
    const done = Promise.all(ids.map(async (id) => await cluster.untilIdle(id)));
    const state = { done: false };
    void done.then(() => (state.done = true));
    while (!state.done) {
      await Promise.all(replicas.map(async ({ clock }) => await clock.advance(50)));
      await watch();
      gates.open.shift()?.();
    }
    expect(most).toBe(roots);
    for (const id of ids) expect(await cluster.history(id)).toHaveLength(2);
  });

  test("holds against one who has not committed yet", async () => {
    const limits = { roots: 1 };
    const [a, b] = [await cluster.replica({ limits }), await cluster.replica({ limits })];
    for (const { models } of [a, b]) models.enqueue(hangs(), hangs());
    for (const replica of [a, b]) await replica.clock.waitForTimer("acquisition.timer");
    const ids = [await quiet(), await quiet()] as const;
    const [taken, commit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const first = a.machine.transaction(async (transaction) => {
      await transaction.update(ids[0], async () => {}, { acquire: true });
      // Its answer comes after those to all that was sent before, whether they were waited for or not.
      await transaction.tx.exec("select 1");
      taken.resolve();
      await commit.promise;
    });
    try {
      await Promise.race([taken.promise, first]);
      await b.machine.update(ids[1], async () => {}, { acquire: true });
      await b.clock.advance(2_500);
      expect(await slots()).toEqual([]);
    } finally {
      // Whatever was found: the clean-up after the test waits for this transaction.
      commit.resolve();
      await first;
    }
    await a.models.request(1);
    await b.clock.waitForTimer("acquisition.timer");
    await b.clock.advance(2_500);
    expect((await slots()).map(({ chat_id }) => chat_id)).toEqual([ids[0]]);
  });

  test("goes in turn over owners, and their own limits do not stand in each other's way", async () => {
    const [greedy, modest] = [await owner("greedy"), await owner("modest")];
    const replica = await cluster.replica({
      limits: { roots: 3, roots_per_owner: 2 },
      start: false,
    });
    const gates = new Gates();
    gates.enqueue(replica, 10);
    // More than are ranked at a time, and older than the other's.
    await cluster.sql(`
      insert into parley.chats (id, owner_id, root_chat_id, model, status)
        select id, '${greedy}', id, 'test/model', 'running'
        from (select gen_random_uuid() as id from generate_series(1, 600)) c;
      insert into parley.chat_messages (chat_id, role, parts)
        select id, 'user', '[{"type": "text", "text": "g"}]' from parley.chats where owner_id = '${greedy}'`);
    const few = [];
    for (let i = 0; i < 2; i++) few.push(await replica.create("m", { owner_id: modest }, false));
    await replica.worker.start();
    await replica.models.request(3);
    const holders = (await slots()).map(({ owner_id }) => owner_id);
    expect(holders.filter((id) => id === greedy).length).toBeLessThanOrEqual(2);
    expect(holders).toContain(modest);
    expect(holders).toHaveLength(3);
    const own = (await slots()).filter(({ owner_id }) => owner_id === modest);
    expect(few).toContain(own[0]?.chat_id);
    // One more chat of an owner who is at the limit waits, although it comes by the API; so does everybody's.
    const late = await replica.create("late", { owner_id: greedy });
    expect((await cluster.chat(late)).worker_id).toBeNull();
  });

  test("of one owner leaves room to the others", async () => {
    const [greedy, modest] = [await owner("greedy"), await owner("modest")];
    const replica = await cluster.replica({ limits: { roots_per_owner: 1 } });
    replica.models.enqueue(hangs(), hangs());
    await replica.create("g1", { owner_id: greedy });
    await replica.models.request(1);
    const second = await replica.create("g2", { owner_id: greedy });
    const other = await replica.create("m1", { owner_id: modest });
    await replica.models.request(2);
    expect((await cluster.chat(other)).worker_id).toBe(replica.worker.id);
    expect((await cluster.chat(second)).worker_id).toBeNull();
  });

  test("counts sub-agents apart from roots", async () => {
    const replica = await cluster.replica({ limits: { roots: 1, sub_agents: 1 } });
    replica.models.enqueue(hangs(), hangs());
    const root = await replica.create("root");
    await replica.models.request(1);
    const family = { parent_chat_id: root, root_chat_id: root };
    await replica.create("child", family);
    await replica.models.request(2);
    const second = await replica.create("second child", family);
    await replica.clock.advance(3_000);
    expect((await cluster.chat(second)).worker_id).toBeNull();
    expect((await slots()).map(({ kind }) => kind).toSorted()).toEqual(["root", "sub_agent"]);
  });

  test("lets a freed slot be taken at once by who waits", async () => {
    const replica = await cluster.replica({ limits: { roots: 1 } });
    const gates = new Gates();
    gates.enqueue(replica, 2);
    const first = await replica.create("first");
    await replica.models.request(1);
    const second = await replica.create("second");
    expect((await cluster.chat(second)).worker_id).toBeNull();
    gates.open[0]?.();
    await cluster.untilIdle(first);
    // No clock is moved: nothing waits for a timer.
    await replica.models.request(2);
    gates.open[1]?.();
    await cluster.untilIdle(second);
  });

  test("opens no write transactions to look, while it is reached", async () => {
    const replica = await cluster.replica({ limits: { roots: 1 } });
    replica.models.enqueue(hangs());
    await replica.create("first");
    await replica.models.request(1);
    await replica.create("second");
    const looked = async (): Promise<void> => {
      await replica.clock.waitForTimer("acquisition.timer");
      await replica.clock.advance(1_500);
      await replica.clock.waitForTimer("acquisition.timer");
    };
    await looked();
    const before = replica.database.stats.snapshot();
    await looked();
    const { operations } = replica.database.stats.since(before);
    expect(operations["worker.look"]?.singles).toBeGreaterThan(0);
    expect(operations["worker.acquire"]).toBeUndefined();
  });
});

const ask = { client_tools: [{ name: "ask", input_schema: { type: "object" as const } }] };

describe("a chat that waits for its client", () => {
  test("leaves its slot to another, and takes one over the limit when it resumes", async () => {
    const replica = await cluster.replica({ limits: { roots: 1 } });
    replica.models.enqueue(calls(["c1", "ask"]), hangs(), hangs());
    const asking = await replica.create("ask", ask);
    await cluster.untilState(asking, "A0");
    expect(await slots()).toEqual([]);
    const other = await replica.create("other");
    await replica.models.request(2);
    expect((await slots()).map(({ chat_id }) => chat_id)).toEqual([other]);
    const results = [{ tool_call_id: "c1", output: "yes", is_error: false }];
    await replica.machine.update(
      asking,
      async (bundle) => await completeRequiresAction(bundle, { results, submitted_by: null }),
      { acquire: true },
    );
    await replica.models.request(3);
    expect(await slots()).toHaveLength(2);
    // What is over the limit is worked off before anybody else begins.
    const late = await replica.create("late");
    await replica.interrupt(other);
    await cluster.untilIdle(other);
    await replica.clock.advance(1_500);
    expect((await cluster.chat(late)).worker_id).toBeNull();
    await replica.interrupt(asking);
    expect((await replica.passTime(cluster.untilIdle(late))).status).toBe("waiting");
  });

  test("resumes at once also where nobody owned it any more", async () => {
    const before = await cluster.replica({ limits: { roots: 1 } });
    before.models.enqueue(calls(["c1", "ask"]));
    const asking = await before.create("ask", ask);
    await cluster.untilState(asking, "A0");
    await before.worker.drain(0);
    await cluster.until(asking, (row) => row.worker_id === null);
    await before.stop();
    const after = await cluster.replica({ limits: { roots: 1 }, start: false });
    after.models.enqueue(hangs(), hangs());
    await after.worker.start();
    const other = await after.create("other");
    await after.models.request(1);
    const results = [{ tool_call_id: "c1", output: "yes", is_error: false }];
    await after.machine.update(
      asking,
      async (bundle) => await completeRequiresAction(bundle, { results, submitted_by: null }),
      { acquire: true },
    );
    await after.models.request(2);
    expect((await slots()).map(({ chat_id }) => chat_id).toSorted()).toEqual(
      [asking, other].toSorted(),
    );
  });
});

describe("stopping works when everything is full", () => {
  test("a chat that waits for a slot is stopped at once", async () => {
    const replica = await cluster.replica({ limits: { roots: 1 }, worker: { capacity: 1 } });
    replica.models.enqueue(hangs());
    await replica.create("first");
    await replica.models.request(1);
    const waiting = await replica.create("waiting");
    await replica.interrupt(waiting);
    await cluster.untilIdle(waiting);
    expect(replica.models.requests).toHaveLength(1);
  });

  test("also while another is giving out slots", async () => {
    const replica = await cluster.replica({ limits: { roots: 1 }, start: false });
    const id = await replica.create("hello", {}, false);
    await replica.interrupt(id);
    const other = await replica.create("other", {}, false);
    const gate = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const holder = cluster.database.write(async (tx) => {
      await tx.exec(`select pg_advisory_xact_lock(hashtextextended('parley.admission', 0))`);
      locked.resolve();
      await gate.promise;
    });
    try {
      await locked.promise;
      await replica.worker.start();
      await cluster.untilIdle(id);
      expect(await cluster.chat(other)).toMatchObject({ status: "running", worker_id: null });
    } finally {
      gate.resolve();
      await holder;
    }
    await replica.passTime(cluster.untilIdle(other), 20);
  });

  test("and is no way past those who wait", async () => {
    const replica = await cluster.replica({ limits: { roots: 1 } });
    replica.models.enqueue(hangs());
    const first = await replica.create("first");
    await replica.models.request(1);
    const waiting = await replica.create("waiting");
    await replica.send(waiting, "and now?", "interrupt");
    const row = await cluster.until(
      waiting,
      (chat) => chat.status === "running" && chat.queue_length === 0 && chat.worker_id === null,
    );
    expect(row.worker_id).toBeNull();
    expect((await slots()).map(({ chat_id }) => chat_id)).toEqual([first]);
    await replica.interrupt(first);
    await replica.passTime(cluster.untilIdle(waiting));
    expect(replica.models.requests).toHaveLength(2);
  });

  test("what is stopped by a worker without its provider goes on with one that has it", async () => {
    const elsewhere = await cluster.replica({ models: new ScriptedModels("elsewhere") });
    const id = await elsewhere.create("first", {}, false);
    await elsewhere.send(id, "second", "interrupt");
    await cluster.until(id, (row) => row.status === "running" && row.worker_id === null);
    const here = await cluster.replica();
    here.worker.resync();
    const row = await here.passTime(cluster.untilIdle(id));
    expect(row).toMatchObject({ status: "waiting", last_error: null });
  });
});

test("what waits and what works is counted for the whole deployment", async () => {
  const limits = { ...noLimits, roots: 1 };
  const rules = { limits, lease_ms: 20_000, silence_ms: 1_500 };
  const count = async (): Promise<unknown> =>
    await readBacklog(cluster.database, rules, { statementTimeoutMs: 5_000 });
  const nobody = { capacity: 0, no_worker: 0 };
  expect(await count()).toEqual({ waiting: nobody, slots: { root: 0, sub_agent: 0 } });
  const replica = await cluster.replica({ limits });
  replica.models.enqueue(hangs());
  await replica.create("first");
  await replica.models.request(1);
  await replica.create("second");
  await replica.create("third", { model: "elsewhere/model" });
  expect(await count()).toEqual({
    waiting: { capacity: 1, no_worker: 1 },
    slots: { root: 1, sub_agent: 0 },
  });
});

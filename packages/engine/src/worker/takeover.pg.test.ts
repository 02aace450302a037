import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Cluster, type Replica } from "../../test/replica.ts";
import { fails, hangs, says } from "../../test/scripted-models.ts";
import { removeWorker } from "../store/workers.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

/** A replica that says something, has it checkpointed, and dies. */
async function dyingReplica(said: string): Promise<{ id: string; dead: Replica }> {
  const dead = await cluster.replica();
  dead.models.enqueue(hangs(said));
  const id = await dead.create();
  await dead.models.request(1);
  await dead.checkpoints.flush();
  await dead.kill();
  return { id, dead };
}

describe("a chat whose worker has died", () => {
  test("is taken over and answered (C16)", async () => {
    const { id, dead } = await dyingReplica("the first try");
    const next = await cluster.replica();
    next.models.enqueue(says("the second try"));
    await cluster.bury(next);
    const row = await cluster.untilIdle(id);
    expect(row.status).toBe("waiting");
    const history = await cluster.history(id);
    expect(history[1]).toMatchObject({
      parts: [{ type: "text", text: "the second try" }],
      episode: { generation_attempt: 2 },
    });
    expect(dead.models.requests).toHaveLength(1);
  });

  test("and is stopped, keeps what its checkpoint has (C06)", async () => {
    const { id } = await dyingReplica("said by the dead");
    const next = await cluster.replica();
    await next.interrupt(id);
    await cluster.bury(next);
    await cluster.untilIdle(id);
    const history = await cluster.history(id);
    expect(history[1]).toMatchObject({
      finish_reason: "interrupted",
      parts: [{ type: "text", text: "said by the dead" }],
      episode: { generation_attempt: 1 },
    });
    expect(next.models.requests).toHaveLength(0);
  });

  test("keeps the checkpoint's words also when the new owner's attempt has said nothing yet", async () => {
    const { id } = await dyingReplica("said by the dead");
    const next = await cluster.replica();
    next.models.enqueue(hangs());
    await cluster.bury(next);
    await next.models.request(1);
    await next.interrupt(id);
    await cluster.untilIdle(id);
    const history = await cluster.history(id);
    expect(history[1]).toMatchObject({
      parts: [{ type: "text", text: "said by the dead" }],
      episode: { generation_attempt: 1 },
    });
  });

  test("is not taken by a worker that has been healthy for less than three beats", async () => {
    const { id, dead } = await dyingReplica("x");
    const next = await cluster.replica();
    await cluster.sql(
      `update parley.workers set heartbeat_at = parley.now() - interval '1 hour' where id <> '${next.worker.id}'`,
    );
    await hasLooked(next);
    expect((await cluster.chat(id)).worker_id).toBe(dead.worker.id);
    await cluster.bury(next);
    await cluster.untilIdle(id);
  });

  test("is not taken while its lock is held, however silent it is within the lease", async () => {
    const alive = await cluster.replica();
    alive.models.enqueue(hangs());
    const id = await alive.create();
    await alive.models.request(1);
    await lockRegistered(alive);
    const next = await cluster.replica();
    await cluster.sql(
      `update parley.workers set healthy_since = parley.now() - interval '1 minute';
       update parley.workers set heartbeat_at = parley.now() - interval '10 seconds' where id = '${alive.worker.id}'`,
    );
    await hasLooked(next);
    expect((await cluster.chat(id)).worker_id).toBe(alive.worker.id);
  });

  test("is taken as soon as its lock is gone and its beat is older than 1.5 s", async () => {
    const dying = await cluster.replica();
    dying.models.enqueue(hangs());
    const id = await dying.create();
    await dying.models.request(1);
    await lockRegistered(dying);
    await dying.kill();
    const next = await cluster.replica();
    next.models.enqueue(says("taken"));
    await cluster.sql(
      `update parley.workers set healthy_since = parley.now() - interval '1 minute' where id = '${next.worker.id}';
       update parley.workers set heartbeat_at = parley.now() - interval '2 seconds' where id = '${dying.worker.id}'`,
    );
    await next.clock.advance(500);
    expect((await cluster.untilIdle(id)).status).toBe("waiting");
  });

  test("whose row is gone is unowned", async () => {
    const { id, dead } = await dyingReplica("x");
    await cluster.sql(`alter table parley.workers disable trigger keep_rules;
      delete from parley.workers where id = '${dead.worker.id}';
      alter table parley.workers enable trigger keep_rules`);
    const next = await cluster.replica();
    await cluster.bury(next);
    next.worker.resync();
    expect((await cluster.untilIdle(id)).status).toBe("waiting");
  });

  test("during a retry's back-off is tried again only when that is over", async () => {
    const dying = await cluster.replica();
    dying.models.enqueue(fails("rate_limit"));
    const id = await dying.create();
    await dying.clock.waitForTimer("runner.model_retry");
    await dying.kill();
    await cluster.sql(
      `update parley.chats set retry_state = jsonb_set(retry_state, '{retrying_at}',
         to_jsonb(to_char((parley.now() + interval '40 seconds') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))
       where id = '${id}'`,
    );
    const next = await cluster.replica();
    await cluster.bury(next);
    await next.clock.waitForTimer("runner.retry_state");
    expect((await cluster.chat(id)).takeovers).toBe(0);
    expect(next.models.requests).toHaveLength(0);
    await cluster.advance(41_000);
    await next.clock.advance(41_000);
    expect((await cluster.untilIdle(id)).status).toBe("waiting");
  });
});

test("the third takeover in the middle of a step ends the turn (poison)", async () => {
  let replica = await cluster.replica();
  replica.models.enqueue(hangs("deadly"));
  const id = await replica.create();
  await replica.models.request(1);
  for (let takeover = 1; takeover <= 3; takeover++) {
    await replica.kill();
    replica = await cluster.replica();
    replica.models.enqueue(hangs("deadly again"));
    await cluster.bury(replica);
    if (takeover < 3) await replica.models.request(1);
  }
  const row = await cluster.untilIdle(id);
  expect(row.last_error).toMatchObject({ kind: "crashed" });
  expect(replica.models.requests).toHaveLength(0);
});

test("a beat in the future counts as expired once it has not changed for a lease", async () => {
  const { id, dead } = await dyingReplica("x");
  const next = await cluster.replica();
  next.models.enqueue(says("taken"));
  await cluster.sql(
    `update parley.workers set healthy_since = parley.now() - interval '1 minute' where id = '${next.worker.id}';
     update parley.workers set heartbeat_at = parley.now() + interval '1 hour', lock_key = null
       where id = '${dead.worker.id}'`,
  );
  await next.clock.advance(9_000);
  await hasLooked(next);
  expect((await cluster.chat(id)).worker_id).toBe(dead.worker.id);
  expect((await next.passTime(cluster.untilIdle(id))).status).toBe("waiting");
});

describe("a worker that was held for dead", () => {
  test("goes on under another name; what it drove is others' now (C18)", async () => {
    const paused = await cluster.replica();
    paused.models.enqueue(hangs("stale"));
    const id = await paused.create();
    const request = await paused.models.request(1);
    const before = paused.worker.id;
    paused.cutOff = true;

    const next = await cluster.replica();
    next.models.enqueue(says("fresh"));
    await cluster.bury(next);
    await cluster.untilIdle(id);
    await cluster.database.write(async (tx) => await removeWorker(tx, before));

    await paused.clock.advance(1_000);
    await paused.clock.waitForTimer("liveness.beat");
    while (paused.worker.id === before) await paused.clock.advance(1_000);
    expect(request.signal.aborted).toBe(true);
    expect(paused.worker.stats().runners).toBe(0);
    expect((await cluster.history(id)).map(({ parts }) => parts)).toMatchObject([
      {},
      [{ text: "fresh" }],
    ]);

    // It works again.
    while (!(await registered(paused))) await paused.clock.advance(1_000);
    const other = await paused.create();
    expect((await cluster.untilIdle(other)).status).toBe("waiting");
    expect(paused.models.requests).toHaveLength(2);
  });

  test("cannot commit what it had in hand, while another is at it: the fence holds (C07, C18)", async () => {
    const stale = Promise.withResolvers<void>();
    const fresh = Promise.withResolvers<void>();
    const paused = await cluster.replica();
    paused.models.enqueue(async (speaker) => {
      speaker.text("stale");
      await stale.promise;
      // With another step to follow: ending the turn would notice by itself whose chat it is.
      return "pause";
    });
    const id = await paused.create();
    await paused.models.request(1);
    paused.cutOff = true;
    const next = await cluster.replica();
    next.models.enqueue(async (speaker) => {
      speaker.text("fresh");
      await fresh.promise;
    });
    await cluster.bury(next);
    await next.models.request(1);
    stale.resolve();
    while (paused.worker.stats().runners > 0) await paused.clock.advance(100);
    expect(await cluster.history(id)).toHaveLength(1);
    fresh.resolve();
    await cluster.untilIdle(id);
    expect((await cluster.history(id)).map(({ parts }) => parts)).toMatchObject([
      {},
      [{ text: "fresh" }],
    ]);
  });
});

/** Has looked for chats to take, and has taken a younger one than those that it left. */
async function hasLooked(replica: Replica): Promise<void> {
  await replica.clock.advance(300);
  const probe = await replica.create("a probe", {}, false);
  await cluster.untilIdle(probe);
}

async function registered(replica: Replica): Promise<boolean> {
  const rows = await cluster.rows(
    `select id from parley.workers where id = '${replica.worker.id}'`,
  );
  return rows.length > 0;
}

async function lockRegistered(replica: Replica): Promise<void> {
  for (;;) {
    const rows = await cluster.rows(
      `select id from parley.workers where id = '${replica.worker.id}' and lock_key is not null`,
    );
    if (rows.length > 0) return;
  }
}

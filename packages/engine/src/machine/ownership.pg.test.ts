import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chatIn } from "../../test/chat-in-state.ts";
import { all } from "../../test/scenarios/all-transitions.ts";
import { dump } from "../../test/scenarios/transcript.ts";
import { createWorld, type World } from "../../test/world.ts";
import type { ChatRow } from "../domain/rows.ts";
import { states, type State } from "../domain/state.ts";
import { abandon, acquire, type Runner } from "./ownership.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => await world.drop());

interface WorkerOptions {
  /** Age of the last beat. */
  readonly silentMs?: number;
  readonly healthyMs?: number;
  readonly draining?: boolean;
  readonly lockKey?: number;
}

async function worker(options: WorkerOptions = {}): Promise<string> {
  const { silentMs = 0, healthyMs = 60_000, draining = false, lockKey = null } = options;
  const id = randomUUID();
  await world.sql(
    `insert into parley.workers (id, version, capacity, draining, heartbeat_at, healthy_since, lock_key)
     values ($1, 'test', 10, $2, parley.now() - $3 * interval '1 ms', parley.now() - $4 * interval '1 ms', $5)`,
    [id, draining, silentMs, healthyMs, lockKey],
  );
  return id;
}

const runner = async (options: WorkerOptions = {}): Promise<Runner> => ({
  worker_id: await worker(options),
  runner_id: randomUUID(),
});

const take = (id: string, by: Runner): Promise<ChatRow> =>
  world.machine.update(id, (bundle) => acquire(bundle, by));

const give = (id: string, runnerId: string): Promise<ChatRow> =>
  world.machine.update(id, async (bundle) => {
    await abandon(bundle, runnerId);
    await bundle.refresh();
    return bundle.chat;
  });

async function unchanged(code: string, run: () => Promise<unknown>): Promise<void> {
  world.published();
  const before = await dump(world);
  await expect(run()).rejects.toMatchObject({ code });
  expect(await dump(world)).toEqual(before);
  expect(world.published()).toEqual([]);
}

test.each(["R0", "R1", "I0", "I1", "A0", "A1"] as const)(
  "%s: from unowned to owned and back",
  async (state) => {
    const { id, chat } = await chatIn(world, state);
    const by = await runner();
    const taken = await take(id, by);
    expect(taken).toMatchObject({ ...by, takeovers: 0, status: chat.status });
    expect(taken.snapshot_version).toBe(chat.snapshot_version + 1);
    expect(taken.history_version).toBe(chat.history_version);
    const given = await give(id, by.runner_id);
    expect(given).toMatchObject({ worker_id: null, runner_id: null, status: chat.status });
    expect(given.snapshot_version).toBe(chat.snapshot_version + 2);
    expect(world.published().map(({ chat: { worker_id } }) => worker_id)).toEqual([
      by.worker_id,
      null,
    ]);
  },
);

test.each(states.filter((s): s is State => /^[WEXI]/.test(s) && s !== "I0" && s !== "I1"))(
  "%s: there is nothing to acquire",
  async (state) => {
    const { id } = await chatIn(world, state);
    const by = await runner();
    await unchanged("transition_rejected", () => take(id, by));
  },
);

test("what does not exist is not found", async () => {
  const by = await runner();
  await unchanged("chat_not_found", () => take(randomUUID(), by));
  await unchanged("chat_not_found", () => give(randomUUID(), by.runner_id));
});

test("abandoning is refused when nobody owns the chat, or another runner does", async () => {
  const { id } = await chatIn(world, "R0");
  const by = await runner();
  await unchanged("transition_rejected", () => give(id, by.runner_id));
  await take(id, by);
  await unchanged("fence_lost", () => give(id, randomUUID()));
});

test("a chat that nothing is to be done for can still be given up, archived or not", async () => {
  const { id } = await chatIn(world, "R0");
  const by = await runner();
  await take(id, by);
  await world.machine.update(id, (bundle) => all.finishTurn(bundle));
  await world.machine.update(id, (bundle) => all.setArchived(bundle, { archived: true }));
  expect(await give(id, by.runner_id)).toMatchObject({ archived: true, worker_id: null });
});

describe("from another owner", () => {
  const lockKey = 7_000_000_123;
  const cases: [string, WorkerOptions, WorkerOptions, boolean][] = [
    ["who lives", {}, {}, false],
    ["whose lease is over", { silentMs: 20_500 }, {}, true],
    ["who is silent, within the lease and without a lock", { silentMs: 15_000 }, {}, false],
    ["whose lock is gone and who is silent", { silentMs: 2000, lockKey }, {}, true],
    ["whose lock is gone a moment ago", { silentMs: 500, lockKey }, {}, false],
    ["by one who has not settled", { silentMs: 20_500 }, { healthyMs: 1000 }, false],
    ["by one who is draining", { silentMs: 20_500 }, { draining: true }, false],
    ["by one who is dead as well", { silentMs: 20_500 }, { silentMs: 20_500 }, false],
  ];
  test.each(cases)("%s", async (_what, owner, taker, allowed) => {
    const { id } = await chatIn(world, "R0");
    const first = await runner();
    await take(id, first);
    // The owner becomes what the case says only now: it could not have taken the chat so.
    await world.sql(
      `update parley.workers set heartbeat_at = parley.now() - $2 * interval '1 ms', lock_key = $3 where id = $1`,
      [first.worker_id, owner.silentMs ?? 0, owner.lockKey ?? null],
    );
    const second = await runner(taker);
    if (!allowed) return await unchanged("transition_rejected", () => take(id, second));
    expect(await take(id, second)).toMatchObject(second);
  });

  test("a lock that is held keeps a silent owner alive", async () => {
    const { id } = await chatIn(world, "R0");
    const first = await runner();
    await take(id, first);
    const connection = await world.database.connection("test.lock");
    try {
      await connection.query({
        name: "test.take_lock",
        text: `select pg_advisory_lock($1::bigint)`,
        values: [lockKey],
      });
      await world.sql(
        `update parley.workers set heartbeat_at = parley.now() - interval '2 s', lock_key = $2 where id = $1`,
        [first.worker_id, lockKey],
      );
      const second = await runner();
      await unchanged("transition_rejected", () => take(id, second));
    } finally {
      await connection.close();
    }
  });

  test("a worker without a row is dead", async () => {
    const { id } = await chatIn(world, "R0");
    await world.sql(
      `update parley.chats set worker_id = gen_random_uuid(), runner_id = gen_random_uuid() where id = $1`,
      [id],
    );
    const by = await runner();
    expect(await take(id, by)).toMatchObject(by);
  });

  const counts: [string, State, (id: string) => Promise<unknown>, number][] = [
    ["a step in flight counts", "R0", async () => undefined, 1],
    [
      "a retry's back-off does not",
      "R0",
      (id) =>
        world.machine.update(id, (bundle) =>
          all.recordRetryState(bundle, {
            attempt: 1,
            delay_ms: 1,
            kind: "server",
            message: "x",
          }),
        ),
      0,
    ],
    [
      "a step that was not begun does not",
      "R0",
      (id) =>
        world.machine.update(id, (bundle) =>
          all.commitStep(bundle, {
            messages: [{ role: "assistant", parts: [{ type: "text", text: "x" }] }],
          }),
        ),
      0,
    ],
    ["an interruption does not", "I0", async () => undefined, 0],
    ["waiting does not", "A0", async () => undefined, 0],
  ];
  test.each(counts)("takeovers: %s", async (_what, state, prepare, expected) => {
    const { id } = await chatIn(world, state);
    await prepare(id);
    await take(id, await runner());
    await world.sql(`update parley.workers set heartbeat_at = parley.now() - interval '1 minute'`);
    expect((await take(id, await runner())).takeovers).toBe(expected);
  });
});

test("of eight that race for a chat one gets it", async () => {
  const { id, chat } = await chatIn(world, "R0");
  const runners = await Promise.all(Array.from({ length: 8 }, () => runner()));
  const outcomes = await Promise.allSettled(runners.map((by) => take(id, by)));
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  const [row] = await world.sql<ChatRow>(`select * from parley.chats where id = $1`, [id]);
  expect(row?.snapshot_version).toBe(chat.snapshot_version + 1);
});

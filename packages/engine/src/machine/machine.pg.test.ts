import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chatIn, newChat, reply, said, text } from "../../test/chat-in-state.ts";
import { createDatabaseProxy } from "../../test/database-proxy.ts";
import { all } from "../../test/scenarios/all-transitions.ts";
import { dump, queueOf, transcript } from "../../test/scenarios/transcript.ts";
import { createWorld, type World } from "../../test/world.ts";
import type { Commit } from "../domain/commit.ts";
import { FenceLost } from "../domain/errors.ts";
import type { ChatRow } from "../domain/rows.ts";
import { fenceOf } from "../domain/task.ts";
import { AssertionFailed } from "../lib/assert.ts";
import { createDatabase } from "../postgres/database.ts";
import { CommitUnknown } from "../postgres/errors.ts";
import { Machine } from "./machine.ts";
import type { Reservation } from "./ports.ts";
import type { Bundle } from "./bundle.ts";
import { transition } from "./transition.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => await world.drop());

const send = (bundle: Bundle, value: string): Promise<unknown> =>
  all.sendMessage(bundle, { message: said(value), when_busy: "queue", queueMessagesMax: 50 });

async function chatRow(id: string): Promise<ChatRow> {
  const [row] = await world.sql<ChatRow>(`select * from parley.chats where id = $1`, [id]);
  return row as ChatRow;
}

test("eight racing updates add exactly eight to the snapshot, and publish each one once", async () => {
  const { id, chat } = await chatIn(world, "R0");
  await Promise.all(
    Array.from({ length: 8 }, (_, n) => world.machine.update(id, (b) => send(b, `m${n}`))),
  );
  const after = await chatRow(id);
  expect(after.snapshot_version).toBe(chat.snapshot_version + 8);
  const snapshots = world.published().map((commit) => commit.chat.snapshot_version);
  expect(snapshots.toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: 8 }, (_, n) => chat.snapshot_version + 1 + n),
  );
  const queue = await queueOf(world, id);
  expect(queue.toSorted()).toEqual(Array.from({ length: 8 }, (_, n) => `queue: m${n}`));
});

test("a reader is not blocked by a writer, and sees nothing of what is not committed", async () => {
  const { id, chat } = await chatIn(world, "R0");
  await world.machine.update(id, async (bundle) => {
    await send(bundle, "unseen");
    await bundle.refresh();
    const seen = await world.machine.read((tx) =>
      tx.query<ChatRow>({
        name: "test.read_while_written",
        text: `select * from parley.chats where id = $1`,
        values: [id],
      }),
    );
    expect(seen).toEqual([chat]);
  });
});

test("a snapshot that a reader has taken does not change under it", async () => {
  const { id, chat } = await chatIn(world, "R0");
  const look = {
    name: "test.look",
    text: `select * from parley.chats where id = $1`,
    values: [id],
  };
  await world.machine.read(async (tx) => {
    expect(await tx.query(look)).toEqual([chat]);
    await world.machine.update(id, (bundle) => send(bundle, "later"));
    expect(await tx.query(look)).toEqual([chat]);
  });
});

test("a bundle that fails after it has written changes and publishes nothing", async () => {
  const { id } = await chatIn(world, "R1");
  const before = await dump(world);
  const failing = world.machine.update(id, async (bundle) => {
    await send(bundle, "lost");
    await all.commitStep(bundle, { messages: [reply("lost")] });
    throw new Error("on purpose");
  });
  await expect(failing).rejects.toThrow("on purpose");
  expect(await dump(world)).toEqual(before);
  expect(world.published()).toEqual([]);
  expect(world.perhaps()).toEqual([]);
});

test("nested bundles publish once, after the outer commit, in the order of their commits", async () => {
  const one = await chatIn(world, "R0");
  const two = await chatIn(world, "R0");
  await world.machine.transaction(async (transaction) => {
    await transaction.update(one.id, async (bundle) => {
      await send(bundle, "a");
      await transaction.update(two.id, (inner) => send(inner, "b"));
    });
    await transaction.update(one.id, (bundle) => send(bundle, "c"));
    expect(world.published()).toEqual([]);
  });
  const commits = world.published();
  expect(commits.map(({ chat }) => [chat.id, chat.snapshot_version])).toEqual([
    [two.id, two.chat.snapshot_version + 1],
    [one.id, one.chat.snapshot_version + 1],
    [one.id, one.chat.snapshot_version + 2],
  ]);
});

test("a nested bundle whose failure is swallowed fails the whole", async () => {
  const one = await chatIn(world, "R0");
  const two = await chatIn(world, "W");
  const before = await dump(world);
  const swallowing = world.machine.transaction(async (transaction) => {
    await transaction.update(one.id, (bundle) => send(bundle, "a"));
    await transaction.update(two.id, (bundle) => all.finishTurn(bundle)).catch(() => undefined);
  });
  await expect(swallowing).rejects.toMatchObject({ code: "transition_rejected" });
  expect(await dump(world)).toEqual(before);
  expect(world.published()).toEqual([]);
});

test("a bundle inside a bundle of the same chat is our bug", async () => {
  const { id } = await chatIn(world, "R0");
  const nested = world.machine.update(id, ({ transaction }) =>
    transaction.update(id, (bundle) => send(bundle, "inner")),
  );
  await expect(nested).rejects.toBeInstanceOf(AssertionFailed);
});

test("a bundle sees what it has itself written", async () => {
  const { id } = await chatIn(world, "R0");
  await world.machine.update(id, async (bundle) => {
    await all.commitStep(bundle, { messages: [reply("done")] });
    await send(bundle, "next");
    const entered = await all.finishTurn(bundle);
    expect(entered.map((message) => message.parts)).toEqual([text("next")]);
    expect(await all.recordGenerationAttempt(bundle)).toEqual({ attempt: 1, spend: null });
    await bundle.refresh();
    expect(bundle.chat).toMatchObject({
      status: "running",
      generation_attempt: 1,
      queue_length: 0,
    });
  });
  const [commit] = world.published() as [Commit];
  expect(commit.messages).toHaveLength(2);
  expect(commit.queue).toEqual([]);
  expect(commit.chat).toEqual(await chatRow(id));
});

test("a bundle that makes no chat, or lands where no transition may, is our bug", async () => {
  const before = await dump(world);
  const nothing = world.machine.create(newChat(world), async () => undefined);
  await expect(nothing).rejects.toBeInstanceOf(AssertionFailed);
  expect(await dump(world)).toEqual(before);
  const { id } = await chatIn(world, "R1");
  const invalid = world.machine.update(id, (bundle) => bundle.set({ status: "waiting" }));
  await expect(invalid).rejects.toBeInstanceOf(AssertionFailed);
});

test("a transition that lands where its row does not say is our bug, and changes nothing", async () => {
  const { id } = await chatIn(world, "R1");
  const before = await dump(world);
  const astray = transition<void, void>(
    "finishTurn",
    async (bundle) => void (await bundle.set({ status: "interrupting" })),
  );
  const run = world.machine.update(id, (bundle) => astray(bundle));
  await expect(run).rejects.toBeInstanceOf(AssertionFailed);
  expect(await dump(world)).toEqual(before);
  expect(world.published()).toEqual([]);
});

test("a lock bumps and publishes nothing", async () => {
  const { id, chat } = await chatIn(world, "R0");
  await world.machine.lock(id, async (row) => expect(row).toEqual(chat));
  expect(await chatRow(id)).toEqual(chat);
  expect(world.published()).toEqual([]);
  await expect(world.machine.lock(randomUUID(), async () => 1)).rejects.toMatchObject({
    code: "chat_not_found",
  });
});

test("a fence refuses another runner, another status and another history", async () => {
  const { id, chat } = await chatIn(world, "R0");
  const runner = randomUUID();
  await world.sql(`update parley.chats set worker_id = $2, runner_id = $3 where id = $1`, [
    id,
    world.worker,
    runner,
  ]);
  const fence = fenceOf({ ...chat, runner_id: runner }, runner);
  const attempt = (over: Partial<typeof fence>): Promise<number> =>
    world.machine.update(id, async (b) => (await all.recordGenerationAttempt(b)).attempt, {
      fence: { ...fence, ...over },
    });
  const before = await dump(world);
  await expect(attempt({ runner_id: randomUUID() })).rejects.toBeInstanceOf(FenceLost);
  await expect(attempt({ status: "interrupting" })).rejects.toBeInstanceOf(FenceLost);
  await expect(attempt({ history_version: 1 })).rejects.toBeInstanceOf(FenceLost);
  expect(await dump(world)).toEqual(before);
  expect(await attempt({})).toBe(2);
});

interface Recorded extends Reservation {
  readonly outcome: string[];
}

function reservation(): Recorded {
  const outcome: string[] = [];
  return {
    outcome,
    worker_id: world.worker,
    runner_id: randomUUID(),
    beginsAtOnce: false,
    confirm: (chat) => void outcome.push(`confirmed ${chat.runner_id}`),
    cancel: () => void outcome.push("cancelled"),
    perhaps: () => void outcome.push("perhaps"),
  };
}

function machineThatTakes(taking: Reservation | null): { machine: Machine; commits: Commit[] } {
  const commits: Commit[] = [];
  const machine = new Machine({
    database: world.database,
    publisher: { published: (more) => void commits.push(...more), perhaps: () => undefined },
    acquirer: { reserve: () => taking },
    leaseMs: 20_000,
  });
  return { machine, commits };
}

test("a chat made runnable is taken in the same transaction", async () => {
  const { id, chat } = await chatIn(world, "W");
  const taking = reservation();
  const { machine, commits } = machineThatTakes(taking);
  await machine.update(id, (bundle) => send(bundle, "now"), { acquire: true });
  expect(taking.outcome).toEqual([`confirmed ${taking.runner_id}`]);
  const row = await chatRow(id);
  expect(row).toMatchObject({
    worker_id: world.worker,
    runner_id: taking.runner_id,
    snapshot_version: chat.snapshot_version + 1,
  });
  expect(commits.map((commit) => commit.chat)).toEqual([row]);
});

test("a reservation is given back when the bundle fails, or the worker is not fit to take", async () => {
  const { id } = await chatIn(world, "W");
  const failed = reservation();
  const failing = machineThatTakes(failed).machine.transaction(async (transaction) => {
    await transaction.update(id, (bundle) => send(bundle, "now"), { acquire: true });
    throw new Error("on purpose");
  });
  await expect(failing).rejects.toThrow("on purpose");
  expect(failed.outcome).toEqual(["cancelled"]);

  const stranger = { ...reservation(), worker_id: randomUUID() };
  await machineThatTakes(stranger).machine.update(id, (bundle) => send(bundle, "now"), {
    acquire: true,
  });
  expect(stranger.outcome).toEqual(["cancelled"]);
  expect(await chatRow(id)).toMatchObject({ status: "running", worker_id: null });
});

test("a chat that is owned, or not runnable, is not offered", async () => {
  const { id } = await chatIn(world, "E1");
  const never = reservation();
  const { machine } = machineThatTakes(never);
  const [queued] = await world.sql<{ id: number }>(
    `select id from parley.chat_queue where chat_id = $1`,
    [id],
  );
  await machine.update(
    id,
    (bundle) => all.deleteQueuedMessage(bundle, { queued_id: queued?.id ?? 0 }),
    { acquire: true },
  );
  const taking = reservation();
  await machineThatTakes(taking).machine.update(id, (b) => send(b, "go"), { acquire: true });
  await machine.update(id, (bundle) => send(bundle, "more"), { acquire: true });
  expect(never.outcome).toEqual([]);
  expect(await transcript(world, id)).toContain("user: go");
});

test("a commit whose answer was lost is told as perhaps, and published by nobody", async () => {
  const { id, chat } = await chatIn(world, "W");
  const proxy = await createDatabaseProxy(world.settings);
  const database = createDatabase(proxy.settings);
  const heard: string[] = [];
  const taking = reservation();
  const machine = new Machine({
    database,
    publisher: {
      published: () => void heard.push("published"),
      perhaps: (chatId) => void heard.push(`perhaps ${chatId}`),
    },
    acquirer: { reserve: () => taking },
    leaseMs: 20_000,
  });
  try {
    const update = machine.update(
      id,
      async (bundle) => {
        await send(bundle, "perhaps");
        proxy.loseNextCommitAnswer();
      },
      { acquire: true },
    );
    await expect(update).rejects.toBeInstanceOf(CommitUnknown);
    expect(heard).toEqual([`perhaps ${id}`]);
    expect(taking.outcome).toEqual(["perhaps"]);
    await expect
      .poll(async () => (await chatRow(id)).snapshot_version)
      .toBe(chat.snapshot_version + 1);
  } finally {
    await database.close();
    await proxy.close();
  }
});

test("a deadlock victim runs again: nothing is lost, doubled or published twice", async () => {
  const one = await chatIn(world, "R0");
  const two = await chatIn(world, "R0");
  const { promise: bothHold, resolve: hold } = Promise.withResolvers<void>();
  let holding = 0;
  const cross = (first: string, second: string, value: string): Promise<unknown> =>
    world.machine.transaction(async (transaction) => {
      await transaction.update(first, (bundle) => send(bundle, value));
      if (++holding >= 2) hold();
      await bothHold;
      await transaction.update(second, (bundle) => send(bundle, value));
    });
  await Promise.all([cross(one.id, two.id, "a"), cross(two.id, one.id, "b")]);
  expect(holding).toBeGreaterThan(2);
  for (const { id, chat } of [one, two]) {
    // oxlint-disable-next-line no-await-in-loop
    expect((await queueOf(world, id)).toSorted()).toEqual(["queue: a", "queue: b"]);
    // oxlint-disable-next-line no-await-in-loop
    expect((await chatRow(id)).snapshot_version).toBe(chat.snapshot_version + 2);
  }
  expect(world.published()).toHaveLength(4);
});

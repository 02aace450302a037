import { afterAll, beforeAll, expect, test } from "vitest";
import { chatIn, newChat, reply, said, text } from "../../test/chat-in-state.ts";
import { all } from "../../test/scenarios/all-transitions.ts";
import { queueOf, transcript } from "../../test/scenarios/transcript.ts";
import { createWorld, type World } from "../../test/world.ts";
import type { ChatRow, MessageRow, QueueRow } from "../domain/rows.ts";
import { defined } from "../lib/assert.ts";
import type { SendMessage, Sent } from "./transitions/send-message.ts";

/** What DESIGN says of turns, the queue, families and forks beyond the table. */
let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => await world.drop());

async function chatRow(id: string): Promise<ChatRow> {
  const [row] = await world.sql<ChatRow>(`select * from parley.chats where id = $1`, [id]);
  return defined(row, "the chat");
}

const send = (
  id: string,
  value: string,
  when_busy: SendMessage["when_busy"] = "queue",
  over: Partial<SendMessage["message"]> = {},
): Promise<Sent> =>
  world.machine.update(id, (bundle) =>
    all.sendMessage(bundle, { message: said(value, over), when_busy, queueMessagesMax: 5 }),
  );

const stop = (id: string): Promise<MessageRow[]> =>
  world.machine.update(id, (bundle) => all.finishInterruption(bundle, { partial: [] }));

test("several messages that interrupt keep their order of arrival, before all others", async () => {
  const { id } = await chatIn(world, "R1");
  const positions: (number | undefined)[] = [];
  for (const name of ["one", "two", "three"]) {
    // oxlint-disable-next-line no-await-in-loop
    positions.push((await send(id, name, "interrupt")).queued?.position);
  }
  expect(positions).toEqual([0, 1, 2]);
  await send(id, "last");
  expect(await queueOf(world, id)).toEqual([
    "interrupt: one",
    "interrupt: two",
    "interrupt: three",
    "queue: queued 0",
    "queue: last",
  ]);
  await stop(id);
  expect((await transcript(world, id)).at(-1)).toBe("user: one");
  expect(await chatRow(id)).toMatchObject({ status: "running" });
});

test("a message whose promotion fails is still in the queue, and the turn is not over (C22)", async () => {
  const { id, queued } = await chatIn(world, "R1", { replied: false });
  const before = await chatRow(id);
  const finish = (): Promise<unknown> =>
    world.machine.update(id, async (bundle) => {
      await all.commitStep(bundle, { messages: [reply("done")] });
      await bundle.tx.exec(`create function parley.refuse() returns trigger language plpgsql as
        $$ begin if new.role = 'user' then raise 'the disk is full'; end if; return new; end $$;
        create trigger refuse before insert on parley.chat_messages
        for each row execute function parley.refuse()`);
      await all.finishTurn(bundle);
    });
  await expect(finish()).rejects.toThrow("the disk is full");
  expect(await queueOf(world, id)).toEqual(["queue: queued 0"]);
  expect(await chatRow(id)).toEqual(before);
  await world.machine.update(id, async (bundle) => {
    await all.commitStep(bundle, { messages: [reply("done")] });
    await all.finishTurn(bundle);
  });
  expect((await transcript(world, id)).at(-1)).toBe("user: queued 0");
  expect(queued).toHaveLength(1);
});

test("a promoted message stays in front of one that interrupts later", async () => {
  const { id, queued } = await chatIn(world, "R1", { queue: ["queue", "steer"] });
  const queued_id = defined(queued[1], "the second");
  await world.machine.update(id, (bundle) => all.promoteQueuedMessage(bundle, { queued_id }));
  await send(id, "later", "interrupt");
  expect(await queueOf(world, id)).toEqual([
    "interrupt: queued 1",
    "interrupt: later",
    "queue: queued 0",
  ]);
});

test("what was queued keeps model, effort, client id and author when it is promoted", async () => {
  const { id } = await chatIn(world, "R0");
  const over = {
    model: "demo/other",
    reasoning_effort: "high",
    model_settings: { temperature: 0.1, provider_options: { demo: { mood: "calm" } } },
    client_id: "mine",
    created_by: world.owner,
  };
  const { queued } = await send(id, "precise", "queue", over);
  expect(queued).toMatchObject({ ...over, position: 0, manner: "queue", parts: text("precise") });
  const [message] = await world.machine.update(id, (bundle) => all.finishTurn(bundle));
  expect(message).toMatchObject({ ...over, role: "user", parts: text("precise") });
  expect((await chatRow(id)).turn_message_id).toBe(message?.id);
});

test("an edit keeps the model and effort of what it replaces, unless told otherwise", async () => {
  const { id } = await chatIn(world, "W");
  const over = {
    model: "demo/other",
    reasoning_effort: "high",
    model_settings: { temperature: 0.1 },
  };
  const { messages } = await send(id, "first try", "queue", over);
  const edit = (message_id: number, more: object): Promise<MessageRow> =>
    world.machine.update(id, (bundle) =>
      all.editMessage(bundle, {
        message_id,
        parts: text("better"),
        client_id: null,
        created_by: null,
        keep_queue: false,
        ...more,
      }),
    );
  const kept = await edit(defined(messages[0], "sent").id, {});
  expect(kept).toMatchObject(over);
  const changed = await edit(kept.id, { model: "demo/third", model_settings: { seed: 1 } });
  expect(changed).toMatchObject({
    model: "demo/third",
    reasoning_effort: "high",
    model_settings: { seed: 1 },
  });
  const old = await world.sql(
    `select from parley.chat_messages where chat_id = $1 and deleted and parts = $2`,
    [id, JSON.stringify(text("first try"))],
  );
  expect(old).toHaveLength(1);
});

test("a message that was promoted from the queue, or steered, can be edited", async () => {
  const { id } = await chatIn(world, "R1", { queue: ["steer"] });
  const [steered] = await world.machine.update(id, (bundle) => all.promoteSteering(bundle));
  const before = await transcript(world, id);
  const replacement = await world.machine.update(id, (bundle) =>
    all.editMessage(bundle, {
      message_id: defined(steered, "steered").id,
      parts: text("instead"),
      client_id: null,
      created_by: null,
      keep_queue: false,
    }),
  );
  expect(await transcript(world, id)).toEqual([...before.slice(0, -1), "user: instead"]);
  expect((await chatRow(id)).turn_message_id).toBe(replacement.id);
});

test("what only the model sees is no target of an edit", async () => {
  const { id } = await chatIn(world, "R0");
  const [replay] = await world.machine.update(id, (bundle) =>
    all.commitStep(bundle, {
      messages: [{ role: "user", parts: text("a copy"), visibility: "model" }],
    }),
  );
  const edit = world.machine.update(id, (bundle) =>
    all.editMessage(bundle, {
      message_id: defined(replay, "the copy").id,
      parts: text("x"),
      client_id: null,
      created_by: null,
      keep_queue: false,
    }),
  );
  await expect(edit).rejects.toMatchObject({ code: "message_not_found" });
});

test("a client id names one message of its chat, sent or queued, for as long as that lives", async () => {
  const { id } = await chatIn(world, "R0");
  await send(id, "queued", "queue", { client_id: "a" });
  const reused = { code: "idempotency_key_reused" };
  await expect(send(id, "again", "queue", { client_id: "a" })).rejects.toMatchObject(reused);
  const [entered] = await world.machine.update(id, (bundle) => all.finishTurn(bundle));
  await expect(send(id, "again", "queue", { client_id: "a" })).rejects.toMatchObject(reused);
  const replacement = await world.machine.update(id, (bundle) =>
    all.editMessage(bundle, {
      message_id: defined(entered, "entered").id,
      parts: text("edited"),
      client_id: "b",
      created_by: null,
      keep_queue: false,
    }),
  );
  expect(replacement.client_id).toBe("b");
  const { queued } = await send(id, "free again", "queue", { client_id: "a" });
  expect(queued?.client_id).toBe("a");
  const other = await chatIn(world, "R0");
  expect((await send(other.id, "elsewhere", "queue", { client_id: "a" })).queued).not.toBeNull();
});

test("hold keeps the queue back, shown as paused, until somebody sends or promotes", async () => {
  const { id } = await chatIn(world, "I1", { hold: true, queue: ["steer", "queue"] });
  await stop(id);
  const paused = await chatRow(id);
  expect(paused).toMatchObject({ status: "error", hold: false, queue_length: 2 });
  expect(paused.last_error).toMatchObject({ kind: "stopped" });
  expect(await queueOf(world, id)).toEqual(["queue: queued 0", "queue: queued 1"]);
  const sent = await send(id, "go on");
  expect(sent.messages.map((message) => message.parts)).toEqual([text("queued 0")]);
  expect(sent.queued).toMatchObject({ position: 1, parts: text("go on") });
});

test.each([
  ["a message that interrupts", "I0", []],
  ["a message that interrupts", "I1", ["queue: queued 0"]],
] as const)("%s in %s is a newer wish than hold", async (_what, state, rest) => {
  const { id } = await chatIn(world, state, { hold: true });
  await send(id, "now", "interrupt");
  await stop(id);
  expect(await chatRow(id)).toMatchObject({ status: "running", last_error: null });
  expect((await transcript(world, id)).at(-1)).toBe("user: now");
  expect(await queueOf(world, id)).toEqual(rest);
});

test("a queued message in I* is not a newer wish than hold", async () => {
  const { id } = await chatIn(world, "I0", { hold: true });
  await send(id, "later");
  await stop(id);
  expect(await chatRow(id)).toMatchObject({ status: "error", queue_length: 1 });
});

test("a compaction request is carried until its turn is over", async () => {
  const { id } = await chatIn(world, "E1");
  await world.machine.update(id, (bundle) => all.requestCompaction(bundle));
  const asked = (await chatRow(id)).compaction_requested_at;
  expect(asked).toBeInstanceOf(Date);
  await world.machine.update(id, (bundle) => all.recordGenerationAttempt(bundle));
  await world.machine.update(id, (bundle) => all.commitStep(bundle, { messages: [reply("step")] }));
  await send(id, "more");
  await world.machine.update(id, (bundle) => all.interrupt(bundle, { hold: false }));
  expect((await chatRow(id)).compaction_requested_at).toEqual(asked);
  await stop(id);
  expect(await chatRow(id)).toMatchObject({ compaction_requested_at: null, compact_only: false });
});

test.each([
  ["finishTurn", (id: string) => world.machine.update(id, (b) => all.finishTurn(b))],
  [
    "finishError",
    (id: string) =>
      world.machine.update(id, (b) =>
        all.finishError(b, { error: { kind: "server", message: "x", retryable: true } }),
      ),
  ],
] as const)("%s clears a compaction request", async (_name, run) => {
  const { id } = await chatIn(world, "W");
  await world.machine.update(id, (bundle) => all.requestCompaction(bundle));
  expect(await chatRow(id)).toMatchObject({ compact_only: true });
  await run(id);
  expect(await chatRow(id)).toMatchObject({ compaction_requested_at: null, compact_only: false });
});

test("steering into a compaction that was all there was to do makes it a turn", async () => {
  const { id } = await chatIn(world, "W");
  await world.machine.update(id, (bundle) => all.requestCompaction(bundle));
  await send(id, "by the way", "steer");
  await world.machine.update(id, (bundle) => all.promoteSteering(bundle));
  const chat = await chatRow(id);
  expect(chat.compaction_requested_at).toBeInstanceOf(Date);
  expect(chat.compact_only).toBe(false);
});

test("the retry notice says when, by the database's clock, and ends with the turn", async () => {
  const { id } = await chatIn(world, "R0");
  await world.advance(5_000_000);
  const stored = await world.machine.update(id, (bundle) =>
    all.recordRetryState(bundle, {
      attempt: 1,
      delay_ms: 1500,
      kind: "rate_limit",
      message: "slow down",
      provider: "demo",
      status_code: 429,
    }),
  );
  const [row] = await world.sql<{ off_by: number }>(
    `select abs(extract(epoch from (retry_state ->> 'retrying_at')::timestamptz - parley.now()) - 1.5)::float8
       as off_by from parley.chats where id = $1`,
    [id],
  );
  expect(stored).toMatchObject({ status_code: 429, delay_ms: 1500, provider: "demo" });
  expect(stored.retrying_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(row?.off_by).toBeLessThan(1);
  await world.machine.update(id, (bundle) => all.interrupt(bundle, { hold: false }));
  await stop(id);
  expect(await chatRow(id)).toMatchObject({ status: "waiting", retry_state: null });
});

test("leaving an error state clears the error, archiving does not", async () => {
  const { id, chat } = await chatIn(world, "E0");
  await world.machine.update(id, (bundle) => all.setArchived(bundle, { archived: true }));
  expect((await chatRow(id)).last_error).toEqual(chat.last_error);
  await world.machine.update(id, (bundle) => all.setArchived(bundle, { archived: false }));
  expect((await chatRow(id)).last_error).toEqual(chat.last_error);
  await send(id, "on");
  expect((await chatRow(id)).last_error).toBeNull();
});

async function family(): Promise<{ root: string; children: string[] }> {
  const { id: root } = await chatIn(world, "W");
  const children: string[] = [];
  let parent = root;
  for (let n = 0; n < 3; n++) {
    const child = newChat(world, { parent_chat_id: parent, root_chat_id: root });
    // oxlint-disable-next-line no-await-in-loop
    await world.machine.create(child, (bundle) =>
      all.createChat(bundle, { messages: [{ role: "user", parts: text("sub") }] }),
    );
    // oxlint-disable-next-line no-await-in-loop
    await world.machine.update(child.id, (bundle) => all.finishTurn(bundle));
    children.push(child.id);
    if (n === 0) parent = child.id;
  }
  world.published();
  return { root, children };
}

const archive = (id: string, archived: boolean): Promise<void> =>
  world.machine.update(id, (bundle) => all.setArchived(bundle, { archived }));

test("a family is archived together, each chat with its own bump; those that are already are skipped", async () => {
  const { root, children } = await family();
  await world.sql(`update parley.chats set archived = true where id = $1`, [children[1]]);
  const before = await Promise.all([root, ...children].map(chatRow));
  await archive(root, true);
  const after = await Promise.all([root, ...children].map(chatRow));
  expect(after.map((chat) => chat.archived)).toEqual([true, true, true, true]);
  expect(
    after.map((chat, n) => chat.snapshot_version - (before[n]?.snapshot_version ?? 0)),
  ).toEqual([1, 1, 0, 1]);
  expect(new Set(world.published().map((commit) => commit.chat.id))).toEqual(
    new Set([root, children[0], children[2]]),
  );
  await archive(root, false);
  expect((await Promise.all([root, ...children].map(chatRow))).every((c) => !c.archived)).toBe(
    true,
  );
  expect(world.published()).toHaveLength(4);
});

test("one busy member refuses for all; a child is not archived by itself", async () => {
  const { root, children } = await family();
  await send(defined(children[2], "a child"), "work");
  world.published();
  const before = await Promise.all([root, ...children].map(chatRow));
  await expect(archive(root, true)).rejects.toMatchObject({ code: "transition_rejected" });
  await expect(archive(defined(children[0], "a child"), true)).rejects.toMatchObject({
    code: "not_family_root",
  });
  expect(await Promise.all([root, ...children].map(chatRow))).toEqual(before);
  expect(world.published()).toEqual([]);
});

test("deleting takes everything below along, leaves tombstones, and tells of each", async () => {
  const { root, children } = await family();
  const [middle, below] = children as [string, string, string];
  await send(below, "busy");
  world.published();
  await world.machine.update(middle, (bundle) => all.deleteChat(bundle));
  const commits = world.published();
  expect(commits.every((commit) => commit.deleted)).toBe(true);
  expect(commits.map((commit) => commit.chat.id).toSorted()).toEqual(children.toSorted());
  expect((await chatRow(root)).id).toBe(root);
  const left = await world.sql(
    `select chat_id from parley.chat_messages where chat_id = any ($1::uuid[])
     union all select chat_id from parley.chat_queue where chat_id = any ($1::uuid[])`,
    [children],
  );
  expect(left).toEqual([]);
  const tombstones = await world.sql<{ chat_id: string; owner_id: string }>(
    `select chat_id, owner_id from parley.chat_tombstones where chat_id = any ($1::uuid[])`,
    [children],
  );
  expect(tombstones.map((t) => t.chat_id).toSorted()).toEqual(children.toSorted());
  expect(tombstones.every((t) => t.owner_id === world.owner)).toBe(true);
});

test("a fork has the live messages up to the given one, and nothing that names the old chat", async () => {
  const { id } = await chatIn(world, "W");
  const over = { client_id: "mine", created_by: world.owner, model: "demo/other" };
  const { messages } = await send(id, "third", "queue", over);
  await world.machine.update(id, async (bundle) => {
    const episode = { history_version: 1, generation_attempt: 1 };
    await all.commitStep(bundle, { messages: [{ ...reply("third answer"), episode }] });
    await all.finishTurn(bundle);
  });
  await send(id, "fourth");
  const fork = newChat(world, { status: "waiting" });
  const up_to = defined(messages[0], "sent").id + 1;
  const copies = await world.machine.create(fork, (bundle) =>
    all.forkChat(bundle, { source_chat_id: id, up_to }),
  );
  const source = await transcript(world, id);
  expect(await transcript(world, fork.id)).toEqual(source.slice(0, -1));
  expect(copies.every((m) => m.client_id === null && m.episode === null)).toBe(true);
  expect(copies.at(-2)).toMatchObject({ created_by: world.owner, model: "demo/other" });
  await send(fork.id, "another third", "queue", { client_id: "mine" });
  expect(await transcript(world, id)).toEqual(source);
});

test("a fork leaves out what an edit has replaced, and cannot start from it", async () => {
  const { id } = await chatIn(world, "W");
  const { messages } = await send(id, "old words");
  const old = defined(messages[0], "sent").id;
  await world.machine.update(id, (bundle) =>
    all.editMessage(bundle, {
      message_id: old,
      parts: text("new words"),
      client_id: null,
      created_by: null,
      keep_queue: false,
    }),
  );
  const fork = (up_to?: number): Promise<MessageRow[]> =>
    world.machine.create(newChat(world, { status: "waiting" }), (bundle) =>
      all.forkChat(bundle, { source_chat_id: id, ...(up_to === undefined ? {} : { up_to }) }),
    );
  const words = (await fork()).map((message) => message.parts);
  expect(words).toContainEqual(text("new words"));
  expect(words).not.toContainEqual(text("old words"));
  await expect(fork(old)).rejects.toMatchObject({ code: "message_not_found" });
});

test("after a cleared context a fork keeps the boundary, and a retry looks past it", async () => {
  const { id } = await chatIn(world, "W");
  await world.machine.update(id, (bundle) => all.clearContext(bundle));
  await send(id, "anew");
  await world.machine.update(id, (bundle) =>
    all.finishError(bundle, { error: { kind: "server", message: "x", retryable: true } }),
  );
  await world.machine.update(id, (bundle) => all.retryTurn(bundle));
  const fork = newChat(world, { status: "waiting" });
  const copies = await world.machine.create(fork, (bundle) =>
    all.forkChat(bundle, { source_chat_id: id }),
  );
  expect(copies.filter((message) => message.is_boundary)).toHaveLength(2);
});

test("reordering past the end means the end; a place that is its own changes nothing", async () => {
  const { id, queued } = await chatIn(world, "R1", { queue: ["queue", "queue", "queue"] });
  const move = (n: number, position: number): Promise<void> =>
    world.machine.update(id, (bundle) =>
      all.reorderQueuedMessage(bundle, { queued_id: defined(queued[n], "queued"), position }),
    );
  await move(0, 99);
  expect(await queueOf(world, id)).toEqual([
    "queue: queued 1",
    "queue: queued 2",
    "queue: queued 0",
  ]);
  const before = await chatRow(id);
  await move(0, 2);
  const after = await chatRow(id);
  expect(after.snapshot_version).toBe(before.snapshot_version + 1);
  expect(after.queue_version).toBe(before.queue_version);
  const published = world.published().at(-1);
  expect(published?.queue).toBeNull();
});

test("a queue at its limit takes one more from E1, because one leaves", async () => {
  const { id } = await chatIn(world, "E1", {
    queue: ["queue", "queue", "queue", "queue", "queue"],
  });
  const sent = await send(id, "sixth");
  expect((sent.queued as QueueRow).position).toBe(4);
  await expect(send(id, "seventh")).rejects.toMatchObject({
    code: "queue_full",
    details: { max: 5 },
  });
});

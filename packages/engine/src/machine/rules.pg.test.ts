import { afterAll, beforeAll, expect, test } from "vitest";
import { chatIn, text } from "../../test/chat-in-state.ts";
import { createWorld, type World } from "../../test/world.ts";
import type { ChatRow, MessageRow } from "../domain/rows.ts";

/** What the database itself guards, tried by hand-written SQL, as a careless code path would. */
let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => await world.drop());

async function chatRow(id: string): Promise<ChatRow> {
  const [row] = await world.sql<ChatRow>(`select * from parley.chats where id = $1`, [id]);
  return row as ChatRow;
}

async function messagesOf(id: string): Promise<MessageRow[]> {
  return await world.sql<MessageRow>(
    `select * from parley.chat_messages where chat_id = $1 order by id`,
    [id],
  );
}

const bump = `update parley.chats set snapshot_version = snapshot_version + 1 where id = $1`;
const refused = { code: "statement_failed", sqlState: "23514" };

test("a message takes its revision, and the chat its history version, from the snapshot", async () => {
  const { id } = await chatIn(world, "R0");
  await world.sql(bump, [id]);
  await world.sql(
    `insert into parley.chat_messages (chat_id, role, parts, revision) values ($1, 'assistant', $2, 1)`,
    [id, JSON.stringify(text("by hand"))],
  );
  const chat = await chatRow(id);
  const last = (await messagesOf(id)).at(-1);
  expect(last?.revision).toBe(chat.snapshot_version);
  expect(chat.history_version).toBe(chat.snapshot_version);
  expect(chat.generation_attempt).toBe(0);
});

test("a revision cannot be written, and an update that changes nothing moves nothing", async () => {
  const { id, chat } = await chatIn(world, "R0");
  const before = await messagesOf(id);
  await world.sql(`update parley.chat_messages set revision = 99 where chat_id = $1`, [id]);
  await world.sql(`update parley.chat_messages set parts = parts where chat_id = $1`, [id]);
  await world.sql(`update parley.chat_messages set tool_call_ids = '{x}' where chat_id = $1`, [id]);
  expect(await messagesOf(id)).toEqual(before);
  expect(await chatRow(id)).toEqual(chat);
});

test("a real change moves the revision of that message alone", async () => {
  const { id } = await chatIn(world, "R0");
  const [first, ...others] = await messagesOf(id);
  await world.sql(bump, [id]);
  await world.sql(`update parley.chat_messages set visibility = 'user' where id = $1`, [first?.id]);
  const chat = await chatRow(id);
  const [changed, ...rest] = await messagesOf(id);
  expect(changed?.revision).toBe(chat.snapshot_version);
  expect(rest).toEqual(others);
  expect(chat.history_version).toBe(chat.snapshot_version);
});

test("a message cannot move to another chat, nor vanish", async () => {
  const { id } = await chatIn(world, "W");
  const other = await chatIn(world, "W");
  const move = world.sql(`update parley.chat_messages set chat_id = $2 where chat_id = $1`, [
    id,
    other.id,
  ]);
  await expect(move).rejects.toMatchObject(refused);
  const vanish = world.sql(`delete from parley.chat_messages where chat_id = $1`, [id]);
  await expect(vanish).rejects.toMatchObject(refused);
});

test("which calls a message makes follows from its parts", async () => {
  const { id, calls } = await chatIn(world, "A0");
  const rows = await world.sql<{ tool_call_ids: string[] | null }>(
    `select tool_call_ids from parley.chat_messages where chat_id = $1 order by id`,
    [id],
  );
  expect(rows.map((row) => row.tool_call_ids)).toEqual([null, null, null, calls]);
});

test.each([
  ["snapshot_version = snapshot_version + 2"],
  ["snapshot_version = snapshot_version - 1"],
  ["history_version = history_version - 1"],
  ["queue_version = snapshot_version"],
  ["queue_version = 0"],
  ["queue_length = 0"],
  ["retry_state_version = snapshot_version"],
  ["history_version = snapshot_version + 1"],
  ["owner_id = gen_random_uuid()"],
  ["worker_id = gen_random_uuid()"],
  ["hold = true"],
  ["compact_only = true"],
  ["status = 'error'"],
  ["status = 'nonsense'"],
  [`last_error = '{"kind": "server"}'`],
  ["requires_action_deadline_at = parley.now()"],
  ["snapshot_version = 0"],
  ["generation_attempt = -1"],
  ["takeovers = -1"],
  ["attempt_models = '[]'"],
  ["labels = '[]'"],
  ["client_tools = '{}'"],
  ["model_settings = '[]'"],
  ["fallback_models = '{}'"],
  ["mcp_servers = '{}'"],
  ["notices = '{}'"],
  ["budget = '[]'"],
  ["family_budget = '[]'"],
  ["root_chat_id = gen_random_uuid(), family_budget = '{}'"],
])("chats: %s is refused", async (assignment) => {
  const { id, chat } = await chatIn(world, "R1");
  await world.sql(bump, [id]);
  const run = world.sql(`update parley.chats set ${assignment} where id = $1`, [id]);
  await expect(run).rejects.toMatchObject(refused);
  expect((await chatRow(id)).snapshot_version).toBe(chat.snapshot_version + 1);
});

test("a new chat is held to the same rules, and the broken one is named", async () => {
  const { id } = await chatIn(world, "W");
  const insert = (columns: string, values: string): Promise<unknown[]> =>
    world.sql(
      `insert into parley.chats (id, owner_id, root_chat_id, model, ${columns})
       select gen_random_uuid(), owner_id, root_chat_id, 'a/b', ${values} from parley.chats where id = $1`,
      [id],
    );
  await expect(insert("status", "'nonsense'")).rejects.toMatchObject({
    ...refused,
    constraint: "chats_status_check",
  });
  await expect(insert("status, labels", "'waiting', '[]'")).rejects.toMatchObject({
    ...refused,
    constraint: "chats_labels_check",
  });
});

test.each([
  ["role", "'nobody'", "chat_messages_role_check"],
  ["visibility", "'nobody'", "chat_messages_visibility_check"],
  ["parts", "'{}'", "chat_messages_parts_check"],
])("messages: a %s of %s is refused", async (column, value, constraint) => {
  const { id } = await chatIn(world, "W");
  const change = world.sql(
    `update parley.chat_messages set ${column} = ${value} where chat_id = $1`,
    [id],
  );
  await expect(change).rejects.toMatchObject({ ...refused, constraint });
  const columns = { role: "'user'", visibility: "'both'", parts: "'[]'", [column]: value };
  const insert = world.sql(
    `insert into parley.chat_messages (chat_id, ${Object.keys(columns).join(", ")})
     values ($1, ${Object.values(columns).join(", ")})`,
    [id],
  );
  await expect(insert).rejects.toMatchObject({ ...refused, constraint });
});

test("a message that names the snapshot to come moves its chat there; any other number is ignored", async () => {
  const { id, chat } = await chatIn(world, "R0");
  const insert = async (revision: number): Promise<void> => {
    await world.sql(
      `insert into parley.chat_messages (chat_id, role, parts, revision) values ($1, 'user', $2, $3)`,
      [id, JSON.stringify(text("go on")), revision],
    );
  };
  await insert(chat.snapshot_version + 2);
  expect((await chatRow(id)).snapshot_version).toBe(chat.snapshot_version);
  await insert(chat.snapshot_version + 1);
  const next = chat.snapshot_version + 1;
  expect(await chatRow(id)).toMatchObject({
    snapshot_version: next,
    history_version: next,
    generation_attempt: 0,
  });
  expect((await messagesOf(id)).map(({ revision }) => revision).slice(-2)).toEqual([
    chat.snapshot_version,
    next,
  ]);
});

test("work asked for on unchanged history starts its attempts and its takeovers anew", async () => {
  const { id } = await chatIn(world, "R0");
  await world.sql(`update parley.chats set takeovers = 2 where id = $1`, [id]);
  await world.sql(bump, [id]);
  expect(await chatRow(id)).toMatchObject({ generation_attempt: 1, takeovers: 2 });
  await world.sql(`update parley.chats set history_version = snapshot_version where id = $1`, [id]);
  expect(await chatRow(id)).toMatchObject({ generation_attempt: 0, takeovers: 0 });
});

test("metadata moves its own version and no other; the same again moves nothing", async () => {
  const { id, chat } = await chatIn(world, "R1");
  await world.sql(`update parley.chats set title = 'A title' where id = $1`, [id]);
  const after = await chatRow(id);
  expect(after).toMatchObject({
    ...chat,
    title: "A title",
    metadata_version: chat.metadata_version + 1,
    updated_at: expect.any(Date) as Date,
    changed_xid: expect.any(String) as string,
  });
  await world.sql(
    `update parley.chats set title = 'A title', metadata_version = 99 where id = $1`,
    [id],
  );
  expect(await chatRow(id)).toEqual(after);
});

test("a new attempt clears the retry notice, and says so in its version", async () => {
  const { id, chat } = await chatIn(world, "R0");
  expect(chat.generation_attempt).toBe(1);
  await world.sql(bump, [id]);
  await world.sql(`update parley.chats set retry_state = '{"attempt": 1}' where id = $1`, [id]);
  const noticed = await chatRow(id);
  expect(noticed.retry_state_version).toBe(noticed.snapshot_version);
  await world.sql(bump, [id]);
  expect((await chatRow(id)).retry_state_version).toBe(noticed.snapshot_version);
  await world.sql(`update parley.chats set generation_attempt = 2 where id = $1`, [id]);
  const cleared = await chatRow(id);
  expect(cleared.retry_state).toBeNull();
  expect(cleared.retry_state_version).toBe(noticed.snapshot_version + 1);
});

test("inserting, changing, moving and deleting in the queue moves its version, doing nothing does not (C27)", async () => {
  const { id, queued } = await chatIn(world, "R1", { queue: ["queue", "queue"] });
  const moved = async (sql: string, values: unknown[]): Promise<boolean> => {
    await world.sql(bump, [id]);
    await world.sql(sql, values);
    const { queue_version, snapshot_version } = await chatRow(id);
    return queue_version === snapshot_version;
  };
  const [first, second] = queued;
  expect(await moved(`update parley.chat_queue set manner = 'steer' where id = $1`, [first])).toBe(
    true,
  );
  expect(await moved(`update parley.chat_queue set manner = 'steer' where id = $1`, [first])).toBe(
    false,
  );
  expect(await moved(`update parley.chat_queue set rank = 9 where id = $1`, [first])).toBe(true);
  expect(await moved(`delete from parley.chat_queue where id = $1`, [second])).toBe(true);
  const insert = `insert into parley.chat_queue (chat_id, rank, manner, parts) values ($1, 0, 'queue', '[]')`;
  expect(await moved(insert, [id])).toBe(true);
  expect((await chatRow(id)).queue_length).toBe(2);
  const other = await chatIn(world, "R0");
  const move = world.sql(`update parley.chat_queue set chat_id = $2 where id = $1`, [
    first,
    other.id,
  ]);
  await expect(move).rejects.toMatchObject(refused);
});

test("runnable since when: set on becoming runnable, kept while it is, anew when it is given up", async () => {
  const { id, chat } = await chatIn(world, "R0");
  const since = chat.runnable_since;
  expect(since).toBeInstanceOf(Date);
  await world.sql(
    `update parley.chats set worker_id = gen_random_uuid(), runner_id = gen_random_uuid() where id = $1`,
    [id],
  );
  expect((await chatRow(id)).runnable_since).toEqual(since);
  await world.advance(1000);
  await world.sql(`update parley.chats set worker_id = null, runner_id = null where id = $1`, [id]);
  expect((await chatRow(id)).runnable_since?.getTime()).toBeGreaterThan(since?.getTime() ?? 0);
  await world.sql(`update parley.chats set archived = true where id = $1`, [id]);
  expect((await chatRow(id)).runnable_since).toBeNull();
});

test("a worker's row stays while a chat names it", async () => {
  const { id } = await chatIn(world, "R0");
  await world.sql(
    `update parley.chats set worker_id = $2, runner_id = gen_random_uuid() where id = $1`,
    [id, world.worker],
  );
  const remove = world.sql(`delete from parley.workers where id = $1`, [world.worker]);
  await expect(remove).rejects.toMatchObject(refused);
});

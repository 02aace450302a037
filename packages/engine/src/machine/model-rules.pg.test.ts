import { afterAll, beforeAll, expect, test } from "vitest";
import { chatIn, text } from "../../test/chat-in-state.ts";
import { createWorld, type World } from "../../test/world.ts";
import type { ChatRow } from "../domain/rows.ts";

/** What the database guards of how models are called, tried by hand-written SQL. */
let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => await world.drop());

async function chatRow(id: string): Promise<ChatRow> {
  const [row] = await world.sql<ChatRow>(`select * from parley.chats where id = $1`, [id]);
  return row as ChatRow;
}

async function set(id: string, assignments: string): Promise<ChatRow> {
  await world.sql(`update parley.chats set ${assignments} where id = $1`, [id]);
  return await chatRow(id);
}

test("settings and stand-ins are metadata, counted once with the rest", async () => {
  const { id, chat } = await chatIn(world, "W");
  const changed = await set(
    id,
    `title = 'T', model_settings = '{"seed": 1}', fallback_models = '["a/b"]'`,
  );
  expect(changed).toMatchObject({
    metadata_version: chat.metadata_version + 1,
    snapshot_version: chat.snapshot_version,
    history_version: chat.history_version,
  });
  const same = await set(id, `model_settings = '{"seed": 1}'`);
  expect(same).toEqual(changed);
  await expect(set(id, `model_settings = '[]'`)).rejects.toMatchObject({ sqlState: "23514" });
  await expect(set(id, `fallback_models = '{}'`)).rejects.toMatchObject({ sqlState: "23514" });
});

test("which models attempts have called belongs to one history version, and is no metadata", async () => {
  const { id, chat } = await chatIn(world, "R0");
  const tried = await set(id, `attempt_models = '{"1": "a/b"}', generation_attempt = 1`);
  expect(tried).toMatchObject({
    attempt_models: { 1: "a/b" },
    metadata_version: chat.metadata_version,
  });
  await world.sql(`update parley.chats set snapshot_version = snapshot_version + 1 where id = $1`, [
    id,
  ]);
  expect((await chatRow(id)).attempt_models).toEqual({ 1: "a/b" });
  await world.sql(
    `insert into parley.chat_messages (chat_id, role, parts) values ($1, 'assistant', $2)`,
    [id, JSON.stringify(text("a reply"))],
  );
  expect(await chatRow(id)).toMatchObject({ attempt_models: null, generation_attempt: 0 });
});

test("a turn runs since it began, or since nobody outside was waited for any more", async () => {
  const { id } = await chatIn(world, "R0");
  const begun = (await chatRow(id)).running_since;
  expect(begun).toBeInstanceOf(Date);
  expect((await set(id, `takeovers = 1`)).running_since).toEqual(begun);
  const waiting = await set(id, `status = 'requires_action'`);
  expect(waiting.running_since).toEqual(begun);
  const resumed = (await set(id, `status = 'running'`)).running_since;
  expect(resumed?.getTime()).toBeGreaterThan(begun?.getTime() ?? 0);
  const next = (await set(id, `turn_message_id = turn_message_id + 1`)).running_since;
  expect(next?.getTime()).toBeGreaterThan(resumed?.getTime() ?? 0);
});

import type { Chat, Usage } from "@parley/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newChat, reply } from "../../test/chat-in-state.ts";
import { startHttpServer, type TestHttpServer } from "../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { commitStep } from "../machine/transitions/commit-step.ts";
import { createChat } from "../machine/transitions/create-chat.ts";
import { finishTurn } from "../machine/transitions/finish-turn.ts";

/** What the API shows of a chat with sub-agents. */

let db: TestDatabase;
let http: TestHttpServer;
beforeAll(async () => {
  db = await createTestDatabase();
  http = await startHttpServer(db.database);
});
afterAll(async () => {
  await http?.close();
  await db?.drop();
});

const api = "/api/v1";

/** A chat, and below it a child and a grandchild, all running. */
async function family(): Promise<[root: string, child: string, grandchild: string]> {
  const root = newChat(http.world);
  const child = newChat(http.world, { parent_chat_id: root.id, root_chat_id: root.id });
  const grandchild = newChat(http.world, { parent_chat_id: child.id, root_chat_id: root.id });
  for (const chat of [root, child, grandchild]) {
    await http.machine.create(chat, (bundle) =>
      createChat(bundle, { messages: [{ role: "user", parts: [{ type: "text", text: "go" }] }] }),
    );
  }
  return [root.id, child.id, grandchild.id];
}

async function finish(chatId: string, model: string, usage: Usage): Promise<void> {
  await http.machine.update(chatId, async (bundle) => {
    const episode = { history_version: bundle.sketch.history_version, generation_attempt: 1 };
    await commitStep(bundle, { messages: [{ ...reply("done"), model, usage, episode }] });
    await finishTurn(bundle);
  });
}

test("the list has the chats that are nobody's sub-agents, and on request those of one", async () => {
  const [root, child, grandchild] = await family();
  const list = async (query = "", as = http.caller): Promise<string[]> => {
    const { body } = await http.call("GET", `${api}/chats${query}`, { as });
    return body.chats.map((chat: Chat) => chat.id);
  };
  const roots = await list();
  expect(roots).toContain(root);
  expect(roots).not.toContain(child);
  expect(await list(`?parent=${root}`)).toEqual([child]);
  expect(await list(`?parent=${root}&search=go`)).toEqual([child]);
  expect(await list(`?parent=${root}&search=nothing`)).toEqual([]);
  expect(await list(`?parent=${child}`)).toEqual([grandchild]);
  expect(await list(`?parent=${grandchild}`)).toEqual([]);
  expect(await list(`?parent=${root}`, await http.newCaller())).toEqual([]);
  expect((await http.call("GET", `${api}/chats?parent=x`)).status).toBe(400);
});

test("usage adds up over the family, by model", async () => {
  const [root, child, grandchild] = await family();
  await finish(root, "demo/large", { input_tokens: 100, output_tokens: 10, total_tokens: 110 });
  await finish(child, "demo/small", {
    input_tokens: 20,
    output_tokens: 2,
    reasoning_tokens: 1,
    cost_usd_micros: 7,
  });
  await finish(grandchild, "demo/large", { input_tokens: 3, output_tokens: 4 });
  const usage = async (id: string) => (await http.call("GET", `${api}/chats/${id}/usage`)).body;
  const totals = {
    replies: 1,
    unpriced_replies: 1,
    reasoning_tokens: 0,
    cached_input_tokens: 0,
    cache_write_input_tokens: 0,
    cost_usd_micros: 0,
  };
  const large = { ...totals, input_tokens: 100, output_tokens: 10, total_tokens: 110 };
  const small = {
    ...totals,
    unpriced_replies: 0,
    input_tokens: 20,
    output_tokens: 2,
    reasoning_tokens: 1,
    total_tokens: 22,
    cost_usd_micros: 7,
  };
  const both = { ...totals, replies: 2, unpriced_replies: 2 };
  const own = { total: large, models: [{ model: "demo/large", ...large }] };
  expect(await usage(root)).toEqual({
    own,
    turn: own,
    family: {
      chats: 3,
      total: {
        ...both,
        replies: 3,
        input_tokens: 123,
        output_tokens: 16,
        reasoning_tokens: 1,
        total_tokens: 139,
        cost_usd_micros: 7,
      },
      models: [
        { model: "demo/large", ...both, input_tokens: 103, output_tokens: 14, total_tokens: 117 },
        { model: "demo/small", ...small },
      ],
    },
    budgets: [],
  });
  expect(await usage(child)).toMatchObject({
    own: { total: small },
    family: { chats: 2, total: { input_tokens: 23 } },
  });
  const stranger = await http.newCaller();
  const refused = await http.call("GET", `${api}/chats/${root}/usage`, { as: stranger });
  expect([refused.status, refused.body.code]).toEqual([404, "chat_not_found"]);
});

test("what an edit took away was paid for; what a fork copied was not", async () => {
  const [root] = await family();
  await finish(root, "demo/large", { input_tokens: 5, output_tokens: 1 });
  const { body } = await http.call("GET", `${api}/chats/${root}/messages`);
  const fork = await http.call("POST", `${api}/chats/${root}/fork`, { body: {} });
  const [first] = body.messages;
  const path = `${api}/chats/${root}/messages/${first.id}`;
  await http.call("PATCH", path, { body: { content: "anew" } });
  const usage = async (id: string) => (await http.call("GET", `${api}/chats/${id}/usage`)).body;
  expect((await usage(root)).own.total).toMatchObject({ replies: 1, input_tokens: 5 });
  expect((await usage(fork.body.chat.id)).own.total).toMatchObject({ replies: 0, input_tokens: 0 });
});

test("a stop reaches sub-agents that a chat has left at work when its own turn ended", async () => {
  const [root, child, grandchild] = await family();
  await finish(root, "demo/large", {});
  const status = async (id: string) => (await http.call("GET", `${api}/chats/${id}`)).body.status;
  const { body } = await http.call("GET", `${api}/chats/${root}`);
  // Another turn than the one that is meant: nothing is stopped.
  await http.call("POST", `${api}/chats/${root}/interrupt`, {
    body: { turn: body.turn_message_id + 1 },
  });
  expect(await status(child)).toBe("running");
  const answer = await http.call("POST", `${api}/chats/${root}/interrupt`, { body: {} });
  expect(answer.body.chat).toMatchObject({ id: root, status: "waiting" });
  expect([await status(child), await status(grandchild)]).toEqual(["interrupting", "interrupting"]);
});

test("a deleted chat takes everything below it along, and leaves nothing that is still shown", async () => {
  const [root, child, grandchild] = await family();
  expect((await http.call("DELETE", `${api}/chats/${child}`)).status).toBe(204);
  expect((await http.call("GET", `${api}/chats/${grandchild}`)).status).toBe(404);
  expect((await http.call("GET", `${api}/chats/${root}`)).status).toBe(200);
});

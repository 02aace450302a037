import type { Chat } from "@parley/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newChat, reply } from "../../test/chat-in-state.ts";
import { startHttpServer, type TestCaller, type TestHttpServer } from "../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { commitStep } from "../machine/transitions/commit-step.ts";
import { createChat } from "../machine/transitions/create-chat.ts";

/** Budgets and usage over the API: who may set them, who may see them, and what they say. */

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

async function create(body: object = {}, as?: TestCaller): Promise<Chat> {
  const answer = await http.call("POST", `${api}/chats`, {
    body: { content: "hello", ...body },
    ...(as && { as }),
  });
  expect(answer.status).toBe(201);
  return answer.body.chat;
}

const patch = (id: string, body: object) => http.call("PATCH", `${api}/chats/${id}`, { body });

async function spend(chatId: string, model: string, micros: number): Promise<void> {
  await http.machine.update(chatId, async (bundle) => {
    const usage = { input_tokens: 10, output_tokens: 1, cost_usd_micros: micros };
    const episode = { history_version: 1, generation_attempt: 1 };
    await commitStep(bundle, { messages: [{ ...reply("so"), model, usage, episode }] });
  });
}

describe("a chat's bounds", () => {
  test("are given with the chat, shown with it, changed and taken away", async () => {
    const chat = await create({
      sub_agents: false,
      budget: { usd: 0.5 },
      family_budget: { usd: 2, tokens: 1_000 },
    });
    expect(chat).toMatchObject({
      sub_agents: false,
      budget: { usd: 0.5, tokens: null },
      family_budget: { usd: 2, tokens: 1_000 },
      usage: { replies: 0, cost_usd_micros: 0 },
    });
    const changed = await patch(chat.id, { sub_agents: true, budget: { tokens: 7 } });
    expect(changed.body.chat).toMatchObject({
      sub_agents: true,
      budget: { usd: null, tokens: 7 },
      family_budget: { usd: 2, tokens: 1_000 },
      metadata_version: chat.metadata_version + 1,
      snapshot_version: chat.snapshot_version,
    });
    const without = await patch(chat.id, { budget: null, family_budget: null });
    expect(without.body.chat).toMatchObject({ budget: null, family_budget: null });
    expect(await create()).toMatchObject({ sub_agents: true, budget: null, family_budget: null });
  });

  test("go to a fork, and leave behind what was used", async () => {
    const chat = await create({ sub_agents: false, budget: { usd: 1 }, family_budget: { usd: 2 } });
    await spend(chat.id, "a/b", 5);
    const fork = await http.call("POST", `${api}/chats/${chat.id}/fork`, { body: {} });
    expect(fork.body.chat).toMatchObject({
      sub_agents: false,
      budget: { usd: 1, tokens: null },
      family_budget: { usd: 2, tokens: null },
      usage: { replies: 0, cost_usd_micros: 0 },
    });
  });

  test.each([
    [{ budget: {} }],
    [{ budget: { usd: null } }],
    [{ budget: { usd: -1 } }],
    [{ budget: { tokens: 1.5 } }],
    [{ budget: { usd: 1, eur: 1 } }],
    [{ family_budget: 5 }],
    [{ sub_agents: "no" }],
  ])("%j is refused", async (body) => {
    const answer = await http.call("POST", `${api}/chats`, { body: { content: "x", ...body } });
    expect([answer.status, answer.body.code]).toEqual([400, "invalid_request"]);
  });

  test("a family's is a root's", async () => {
    const root = await create();
    const child = newChat(http.world, { parent_chat_id: root.id, root_chat_id: root.id });
    await http.machine.create(child, (bundle) =>
      createChat(bundle, { messages: [{ role: "user", parts: [] }] }),
    );
    const refused = await patch(child.id, { family_budget: { usd: 1 } });
    expect([refused.status, refused.body.code]).toEqual([409, "not_family_root"]);
    expect((await patch(child.id, { budget: { usd: 1 } })).status).toBe(200);
    expect((await patch(child.id, { family_budget: null })).status).toBe(200);
  });

  test("usage shows how they stand, of the turn and of everything", async () => {
    const chat = await create({ budget: { usd: 0.001 }, family_budget: { tokens: 100 } });
    await spend(chat.id, "a/b", 30);
    const { body } = await http.call("GET", `${api}/chats/${chat.id}/usage`);
    expect(body.turn.total).toMatchObject({ replies: 1, cost_usd_micros: 30 });
    expect(body.own.models).toMatchObject([{ model: "a/b", cost_usd_micros: 30 }]);
    expect(body.budgets).toEqual([
      { scope: "chat", usd_micros: { limit: 1_000, spent: 30, reserved: 0 }, tokens: null },
      { scope: "family", usd_micros: null, tokens: { limit: 100, spent: 11, reserved: 0 } },
    ]);
  });
});

describe("what an owner has used", () => {
  test("is told by day and model, with what deleted chats have used, and to nobody else", async () => {
    const owner = await http.newCaller();
    const [one, two] = [await create({}, owner), await create({}, owner)];
    await spend(one.id, "a/b", 30);
    await spend(two.id, "a/c", 4);
    await http.call("DELETE", `${api}/chats/${two.id}`, { as: owner });
    const { body } = await http.call("GET", `${api}/usage`, { as: owner });
    expect(body).toMatchObject({
      total: { replies: 2, cost_usd_micros: 34 },
      models: [
        { model: "a/b", cost_usd_micros: 30 },
        { model: "a/c", cost_usd_micros: 4 },
      ],
      budget: null,
    });
    expect(body.days).toHaveLength(1);
    expect(body.days[0]).toMatchObject({ day: body.to, total: { replies: 2 } });
    expect(new Date(body.to).getTime() - new Date(body.from).getTime()).toBe(29 * 86_400_000);
    const past = await http.call("GET", `${api}/usage?from=2020-01-01&to=2020-02-01`, {
      as: owner,
    });
    expect(past.body).toMatchObject({ from: "2020-01-01", days: [], total: { replies: 0 } });
    const other = await http.newCaller();
    expect((await http.call("GET", `${api}/usage`, { as: other })).body.total.replies).toBe(0);
    expect((await http.call("GET", `${api}/usage`, { as: null })).status).toBe(401);
  });

  test.each(["from=yesterday", "from=2020-02-30", "from=2020-02-02&to=2020-02-01", "day=1"])(
    "%s is refused",
    async (query) => {
      expect((await http.call("GET", `${api}/usage?${query}`)).status).toBe(400);
    },
  );
});

describe("an owner's budget", () => {
  const path = (id: string): string => `${api}/owners/${id}/budget`;

  test("is set by administrators, and seen by them and its owner", async () => {
    const [admin, owner, other] = await Promise.all([
      http.newCaller({ isAdmin: true }),
      http.newCaller(),
      http.newCaller(),
    ]);
    const url = path(owner.principalId);
    const body = { budget: { usd: 10 } };
    expect((await http.call("PUT", url, { as: owner, body })).status).toBe(403);
    expect((await http.call("PUT", url, { as: other, body })).status).toBe(403);
    expect((await http.call("GET", url, { as: other })).status).toBe(404);

    const set = await http.call("PUT", url, { as: admin, body });
    const expected = {
      owner_id: owner.principalId,
      budget: { usd: 10, tokens: null },
      standing: {
        scope: "owner",
        usd_micros: { limit: 10_000_000, spent: 0, reserved: 0 },
        tokens: null,
      },
    };
    expect([set.status, set.body]).toEqual([200, expected]);
    const chat = await create({}, owner);
    await spend(chat.id, "a/b", 9);
    const seen = await http.call("GET", url, { as: owner });
    expect(seen.body.standing.usd_micros.spent).toBe(9);
    const usage = await http.call("GET", `${api}/usage`, { as: owner });
    expect(usage.body.budget).toEqual(seen.body.standing);

    const cleared = await http.call("PUT", url, { as: admin, body: { budget: null } });
    expect(cleared.body).toMatchObject({ budget: null, standing: null });
  });

  test("of nobody is not there", async () => {
    const admin = await http.newCaller({ isAdmin: true });
    const body = { budget: { usd: 1 } };
    for (const id of ["nobody", "00000000-0000-7000-8000-00000000dead"]) {
      // oxlint-disable-next-line no-await-in-loop
      const answers = await Promise.all([
        http.call("PUT", path(id), { as: admin, body }),
        http.call("GET", path(id), { as: admin }),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([404, 404]);
    }
  });
});

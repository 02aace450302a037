import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chatIn } from "../../test/chat-in-state.ts";
import { startHttpServer, type TestAnswer, type TestHttpServer } from "../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";

/** A call may be repeated as often as its answer is lost: it takes effect once, and every answer is the first one. */

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

/** Everything that a call could have changed. */
async function everything(): Promise<unknown> {
  return await http.world.sql(`select
    (select jsonb_agg(to_jsonb(c) order by id) from parley.chats c) as chats,
    (select jsonb_agg(to_jsonb(m) order by id) from parley.chat_messages m) as messages,
    (select jsonb_agg(to_jsonb(q) order by id) from parley.chat_queue q) as queue,
    (select jsonb_agg(to_jsonb(e) order by id) from parley.tool_executions e) as executions`);
}

type Make = () => Promise<{ path: string; body?: unknown; other?: unknown }>;

const cases: [method: string, name: string, make: Make][] = [
  [
    "POST",
    "create",
    async () => ({ path: "/chats", body: { content: "x" }, other: { content: "y" } }),
  ],
  [
    "POST",
    "send",
    async () => {
      const { id } = await chatIn(http.world, "W");
      return { path: `/chats/${id}/messages`, body: { content: "x" }, other: { content: "y" } };
    },
  ],
  [
    "POST",
    "queue",
    async () => {
      const { id } = await chatIn(http.world, "R0");
      return { path: `/chats/${id}/messages`, body: { content: "x" }, other: { content: "y" } };
    },
  ],
  [
    "PATCH",
    "edit",
    async () => {
      const { id, turn } = await chatIn(http.world, "W");
      const path = `/chats/${id}/messages/${turn}`;
      return { path, body: { content: "x" }, other: { content: "y" } };
    },
  ],
  [
    "POST",
    "fork",
    async () => {
      const { id, turn } = await chatIn(http.world, "W");
      return { path: `/chats/${id}/fork`, body: {}, other: { message_id: turn } };
    },
  ],
  [
    "PATCH",
    "patch",
    async () => {
      const { id } = await chatIn(http.world, "W");
      return { path: `/chats/${id}`, body: { archived: true }, other: { archived: false } };
    },
  ],
  [
    "POST",
    "title",
    async () => {
      const { id } = await chatIn(http.world, "W");
      return { path: `/chats/${id}/title`, body: { title: "x" }, other: { title: "y" } };
    },
  ],
  ["POST", "clear", async () => ({ path: `/chats/${(await chatIn(http.world, "W")).id}/clear` })],
  [
    "PATCH",
    "edit of a queued message",
    async () => {
      const { id, queued } = await chatIn(http.world, "R1");
      const path = `/chats/${id}/queue/${queued[0]}`;
      return { path, body: { content: "x" }, other: { content: "y" } };
    },
  ],
  [
    "DELETE",
    "delete of a queued message",
    async () => {
      const { id, queued } = await chatIn(http.world, "R1");
      return { path: `/chats/${id}/queue/${queued[0]}` };
    },
  ],
  [
    "POST",
    "promote",
    async () => {
      const { id, queued } = await chatIn(http.world, "E1");
      return { path: `/chats/${id}/queue/${queued[0]}/promote` };
    },
  ],
  [
    "POST",
    "interrupt",
    async () => {
      const { id } = await chatIn(http.world, "R0");
      return { path: `/chats/${id}/interrupt`, body: {}, other: { hold: true } };
    },
  ],
  [
    "POST",
    "compact",
    async () => ({ path: `/chats/${(await chatIn(http.world, "W")).id}/compact` }),
  ],
  ["POST", "retry", async () => ({ path: `/chats/${(await chatIn(http.world, "E0")).id}/retry` })],
  [
    "POST",
    "reconcile",
    async () => ({ path: `/chats/${(await chatIn(http.world, "Invalid")).id}/reconcile` }),
  ],
  [
    "POST",
    "tool results",
    async () => {
      const { id, calls } = await chatIn(http.world, "A0", { calls: ["client"] });
      const results = (output: number) => ({ results: [{ tool_call_id: calls[0], output }] });
      return { path: `/chats/${id}/tool-results`, body: results(1), other: results(2) };
    },
  ],
  [
    "POST",
    "approvals",
    async () => {
      const { id, calls } = await chatIn(http.world, "A0", { calls: ["approval"] });
      const decide = (decision: string) => ({ decisions: [{ tool_call_id: calls[0], decision }] });
      return { path: `/chats/${id}/approvals`, body: decide("deny"), other: decide("approve") };
    },
  ],
  ["DELETE", "delete", async () => ({ path: `/chats/${(await chatIn(http.world, "W")).id}` })],
];

describe.each(cases)("%s %s with a key", (method, _name, make) => {
  test("is done once; another request with the key is refused", async () => {
    const { path, body, other } = await make();
    const headers = { "idempotency-key": randomUUID() };
    const call = (with_: unknown): Promise<TestAnswer> =>
      http.call(method, api + path, { headers, ...(with_ === undefined ? {} : { body: with_ }) });

    const first = await call(body);
    expect(first.status, first.text).toBeLessThan(300);
    const after = await everything();
    const published = http.commits.length;

    const second = await call(body);
    expect([second.status, second.text]).toEqual([first.status, first.text]);
    expect(await everything()).toEqual(after);
    expect(http.commits).toHaveLength(published);

    if (other === undefined) return;
    const reused = await call(other);
    expect([reused.status, reused.body.code]).toEqual([409, "idempotency_key_reused"]);
    expect(await everything()).toEqual(after);
  });
});

describe("client ids", () => {
  test("of messages are keys in their chat", async () => {
    const { id } = await chatIn(http.world, "W");
    const path = `${api}/chats/${id}/messages`;
    const body = { content: "x", client_id: "same" };
    const first = await http.call("POST", path, { body });
    const again = await http.call("POST", path, { body });
    expect(again.body).toEqual(first.body);
    const other = await http.call("POST", path, { body: { ...body, content: "y" } });
    expect(other.body.code).toBe("idempotency_key_reused");

    const elsewhere = await chatIn(http.world, "W");
    const there = await http.call("POST", `${api}/chats/${elsewhere.id}/messages`, { body });
    expect(there.status).toBe(200);
    expect(there.body.messages[0].client_id).toBe("same");
  });

  test("win over the header", async () => {
    const headers = { "idempotency-key": "header" };
    const make = (client_id: string) =>
      http.call("POST", `${api}/chats`, { body: { content: "x", client_id }, headers });
    const [a, b] = [await make("one"), await make("two")];
    expect(b.body.chat.id).not.toBe(a.body.chat.id);
  });

  test("of others are others'", async () => {
    const stranger = await http.newCaller();
    const body = { content: "x", client_id: "mine" };
    const mine = await http.call("POST", `${api}/chats`, { body });
    const theirs = await http.call("POST", `${api}/chats`, { body, as: stranger });
    expect(theirs.status).toBe(201);
    expect(theirs.body.chat.id).not.toBe(mine.body.chat.id);
  });

  test("eight at once make one chat, and all get it", async () => {
    const body = { content: "race", client_id: randomUUID() };
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => http.call("POST", `${api}/chats`, { body })),
    );
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([201]));
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
  });
});

test("a stop that found nothing to stop does not stop a later turn when it is repeated", async () => {
  const { id } = await chatIn(http.world, "W");
  const headers = { "idempotency-key": randomUUID() };
  const idle = await http.call("POST", `${api}/chats/${id}/interrupt`, { headers });
  expect(idle.body.chat.status).toBe("waiting");
  await http.call("POST", `${api}/chats/${id}/messages`, { body: { content: "go" } });
  const again = await http.call("POST", `${api}/chats/${id}/interrupt`, { headers });
  expect(again.text).toBe(idle.text);
  expect((await http.call("GET", `${api}/chats/${id}`)).body.status).toBe("running");
});

test("the key of a deleted chat tells nobody else that there was one", async () => {
  const { id } = await chatIn(http.world, "W");
  const headers = { "idempotency-key": "delete" };
  const stranger = await http.newCaller();
  expect((await http.call("DELETE", `${api}/chats/${id}`, { headers })).status).toBe(204);
  const theirs = await http.call("DELETE", `${api}/chats/${id}`, { headers, as: stranger });
  expect(theirs.status).toBe(404);
  const mine = await http.call("DELETE", `${api}/chats/${id}`, { headers });
  expect(mine.status).toBe(204);
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { chat, chatId } from "../test/events.ts";
import { ManualRuntime } from "../test/manual-runtime.ts";
import { json, problem, startStreamServer, type StreamServer } from "../test/stream-server.ts";
import { createClient, type Client } from "./client.ts";

let server: StreamServer;
let runtime: ManualRuntime;
let client: Client;

beforeAll(async () => {
  server = await startStreamServer();
});
afterAll(() => server.close());
beforeEach(() => {
  server.requests.length = 0;
  server.onRequest = (_, response) => json(response, { chat: chat(), chats: [] });
  runtime = new ManualRuntime();
  client = createClient({ baseUrl: `${server.baseUrl}/`, token: "secret", runtime });
});

const api = `/api/v1/chats/${chatId}`;

describe("each call", () => {
  const calls: [string, string, (c: Client) => Promise<unknown>, unknown][] = [
    [
      "POST",
      "/api/v1/chats",
      (c) => c.createChat({ content: "hi" }),
      { content: "hi", client_id: "key-1" },
    ],
    [
      "GET",
      "/api/v1/chats?limit=2&label=a&label=b",
      (c) => c.listChats({ limit: 2, label: ["a", "b"] }),
      null,
    ],
    ["GET", api, (c) => c.getChat(chatId), null],
    ["GET", "/api/v1/files/f%2F1", (c) => c.getFile("f/1"), null],
    ["GET", "/api/v1/files?limit=2", (c) => c.listFiles({ limit: 2 }), null],
    ["POST", "/api/v1/files/f1/links", (c) => c.fileUrl("f1"), null],
    ["DELETE", "/api/v1/files/f1", (c) => c.deleteFile("f1"), null],
    ["PATCH", api, (c) => c.patchChat(chatId, { pinned: true }), { pinned: true }],
    ["DELETE", api, (c) => c.deleteChat(chatId), null],
    [
      "POST",
      `${api}/fork`,
      (c) => c.forkChat(chatId, { message_id: 3 }),
      { message_id: 3, client_id: "key-1" },
    ],
    ["POST", `${api}/title`, (c) => c.title(chatId, "T"), { title: "T" }],
    ["GET", `${api}/messages?before=9`, (c) => c.listMessages(chatId, { before: 9 }), null],
    [
      "POST",
      `${api}/messages`,
      (c) => c.sendMessage(chatId, { content: "x", client_id: "mine" }),
      { content: "x", client_id: "mine" },
    ],
    [
      "PATCH",
      `${api}/messages/4`,
      (c) => c.editMessage(chatId, 4, { content: "x" }),
      { content: "x", client_id: "key-1" },
    ],
    ["PATCH", `${api}/queue/5`, (c) => c.editQueued(chatId, 5, { position: 0 }), { position: 0 }],
    ["POST", `${api}/queue/5/promote`, (c) => c.promoteQueued(chatId, 5), null],
    ["DELETE", `${api}/queue/5`, (c) => c.deleteQueued(chatId, 5), null],
    [
      "POST",
      `${api}/interrupt?wait=true`,
      (c) => c.interrupt(chatId, { turn: 7, hold: true, wait: true }),
      { turn: 7, hold: true },
    ],
    ["POST", `${api}/interrupt`, (c) => c.interrupt(chatId), {}],
    ["POST", `${api}/retry`, (c) => c.retry(chatId), null],
    ["POST", `${api}/compact`, (c) => c.compact(chatId), null],
    ["POST", `${api}/clear`, (c) => c.clear(chatId), null],
    ["POST", `${api}/reconcile`, (c) => c.reconcile(chatId), null],
    ["POST", `${api}/stream-tickets`, (c) => c.streamTicket(chatId), null],
    [
      "POST",
      `${api}/tool-results`,
      (c) => c.submitToolResults(chatId, [{ tool_call_id: "t", output: 1 }]),
      { results: [{ tool_call_id: "t", output: 1 }] },
    ],
    [
      "POST",
      `${api}/approvals`,
      (c) => c.decideApprovals(chatId, [{ tool_call_id: "t", decision: "deny" }]),
      { decisions: [{ tool_call_id: "t", decision: "deny" }] },
    ],
    ["GET", `${api}/usage`, (c) => c.usage(chatId), null],
    ["GET", "/api/v1/usage?from=2026-11-01", (c) => c.ownerUsage({ from: "2026-11-01" }), null],
    ["GET", "/api/v1/owners/o/budget", (c) => c.ownerBudget("o"), null],
    [
      "PUT",
      "/api/v1/owners/o/budget",
      (c) => c.setOwnerBudget("o", { usd: 5 }),
      { budget: { usd: 5 } },
    ],
    ["GET", "/api/v1/models", (c) => c.models(), null],
    ["GET", "/healthz", (c) => c.health(), null],
  ];

  it.each(calls)("%s %s", async (method, path, use, body) => {
    await use(client);
    const [request] = server.requests;
    expect([request!.method, request!.path]).toEqual([method, path]);
    expect(request!.body === "" ? null : JSON.parse(request!.body)).toEqual(body);
    expect(request!.headers.authorization).toBe("Bearer secret");
    const named =
      request!.headers["idempotency-key"] ?? (body as { client_id?: string })?.client_id;
    expect(named !== undefined).toBe(method !== "GET");
  });
});

it("an interrupt that is not settled yet says so", async () => {
  server.onRequest = (_, response) => json(response, { chat: chat(), message: null }, 202);
  await expect(client.interrupt(chatId)).resolves.toMatchObject({ pending: true, message: null });
});

it("an answer without a body is fine where none is needed", async () => {
  server.onRequest = (_, response) => {
    response.writeHead(204).end();
    return true;
  };
  await expect(client.deleteChat(chatId)).resolves.toBeUndefined();
});

it("an error of the API is thrown as it is, once", async () => {
  server.onRequest = (_, response) => {
    response.writeHead(409, { "content-type": "application/problem+json", "x-request-id": "r1" });
    response.end(
      JSON.stringify({
        status: 409,
        code: "queue_full",
        title: "t",
        detail: "d",
        details: { max: 20 },
      }),
    );
    return true;
  };
  await expect(client.sendMessage(chatId, { content: "x" })).rejects.toMatchObject({
    name: "ParleyApiError",
    status: 409,
    code: "queue_full",
    detail: "d",
    details: { max: 20 },
    requestId: "r1",
  });
  expect(server.requests).toHaveLength(1);
});

it("a page that is not Parley's is told apart", async () => {
  server.onRequest = (_, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<html>");
    return true;
  };
  await expect(client.models()).rejects.toMatchObject({ code: "unexpected_answer" });
});

describe("an answer that is lost", () => {
  it("is asked for again with the same key", async () => {
    const answers = [502, 503, 504];
    server.onRequest = (_, response) => {
      const status = answers.shift();
      if (status !== undefined) return problem(response, status, "draining");
      return json(response, { chat: chat() });
    };
    const retried = client.retry(chatId);
    for (const expected of [125, 250, 500]) expect(await runtime.fire("call retry")).toBe(expected);
    await expect(retried).resolves.toMatchObject({ id: chatId });
    const keys = server.requests.map((request) => request.headers["idempotency-key"]);
    expect(keys).toEqual(["key-1", "key-1", "key-1", "key-1"]);
  });

  it("because the connection broke after the server had done it, too", async () => {
    let made = 0;
    server.onRequest = (_, response) => {
      if (++made === 1) response.destroy();
      else json(response, { chat: chat(), messages: [], queued: null });
      return true;
    };
    const sent = client.sendMessage(chatId, { content: "once" });
    await runtime.fire("call retry");
    await sent;
    const ids = server.requests.map(
      (request) => (JSON.parse(request.body) as { client_id: string }).client_id,
    );
    expect(ids).toEqual(["key-1", "key-1"]);
  });

  it("is waited for as long as the server asks, and no longer than is sensible", async () => {
    server.onRequest = (_, response) => problem(response, 503, "draining", { "retry-after": "3" });
    const first = client.models();
    expect(await runtime.timerSet("call retry")).toBe(3_000);
    server.onRequest = (_, response) =>
      problem(response, 503, "draining", { "retry-after": "900" });
    runtime.advance(3_000);
    await expect(first).rejects.toMatchObject({ status: 503, retryAfterMs: 900_000 });
  });

  it("is given up after a bounded number of tries", async () => {
    server.onRequest = (_, response) => {
      response.destroy();
      return true;
    };
    const lost = client.models().catch((error: unknown) => error);
    for (let tries = 1; tries <= 4; tries++) await runtime.fire("call retry");
    expect(await lost).toMatchObject({ name: "ParleyNetworkError", attempts: 5 });
    expect(server.requests).toHaveLength(5);
  });

  it("because it takes too long, is asked for again", async () => {
    let asked: (() => void) | undefined;
    const arrived = new Promise<void>((resolve) => (asked = resolve));
    server.onRequest = () => {
      asked!();
      return true;
    };
    const slow = client.models();
    await arrived;
    server.onRequest = (_, response) => json(response, { models: [] });
    await runtime.fire("call timeout");
    await runtime.fire("call retry");
    await expect(slow).resolves.toEqual([]);
  });

  it("is not asked for once the caller has given up", async () => {
    server.onRequest = (_, response) => problem(response, 503, "draining");
    const giveUp = new AbortController();
    const call = client.models({ signal: giveUp.signal });
    await runtime.timerSet("call retry");
    giveUp.abort(new Error("enough"));
    await expect(call).rejects.toThrow("enough");
    expect(runtime.labels()).toEqual([]);
  });
});

it("the token may be a function, and never shows in an error", async () => {
  const other = createClient({ baseUrl: server.baseUrl, token: async () => "rotated", runtime });
  server.onRequest = (_, response) => problem(response, 401, "unauthorized");
  const error = await other.models().catch((e: unknown) => e);
  expect(server.requests[0]!.headers.authorization).toBe("Bearer rotated");
  expect(JSON.stringify(error) + String(error)).not.toContain("rotated");
});

it("an address that is none is refused at once", () => {
  expect(() => createClient({ baseUrl: "ftp://x" })).toThrow(TypeError);
});

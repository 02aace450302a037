import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { chatIn, reply, text } from "../../../test/chat-in-state.ts";
import { within } from "../../../test/eventually.ts";
import {
  startHttpServer,
  type TestCaller,
  type TestHttpServer,
} from "../../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../../test/postgres.ts";
import { commitStep } from "../../machine/transitions/commit-step.ts";
import { finishInterruption } from "../../machine/transitions/finish-interruption.ts";
import { finishTurn } from "../../machine/transitions/finish-turn.ts";

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
beforeEach(() => void http.commits.splice(0));

async function connect(mode: "auto" | "legacy", as: TestCaller = http.caller): Promise<Client> {
  const client = new Client({ name: "agent", version: "1" }, { versionNegotiation: { mode } });
  const transport = new StreamableHTTPClientTransport(new URL(`${http.url}/mcp`), {
    authProvider: { token: async () => as.token },
  });
  await client.connect(transport);
  onTestFinished(async () => await client.close());
  return client;
}

interface Answer {
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
  data: any;
  text: string;
  isError: boolean;
}

async function call(
  client: Client,
  name: string,
  args: Record<string, unknown>,
  meta?: Record<string, string>,
): Promise<Answer> {
  const result = await client.callTool({ name, arguments: args, ...(meta && { _meta: meta }) });
  const [first] = result.content;
  return {
    data: result.structuredContent,
    text: first?.type === "text" ? first.text : "",
    isError: result.isError === true,
  };
}

/** The worker's part, as soon as there is a turn. */
async function answer(id: string, said: string): Promise<void> {
  await http.machine.update(id, async (bundle) => {
    await commitStep(bundle, { messages: [reply(said)] });
    await finishTurn(bundle);
  });
}

async function nextCommit(): Promise<string> {
  return await within(
    "a commit",
    (async () => {
      for (;;) {
        const commit = http.commits.shift();
        if (commit !== undefined) return commit.chat.id;
        await new Promise((resolve) => setImmediate(resolve));
      }
    })(),
  );
}

describe.each(["auto", "legacy"] as const)("an agent whose protocol is %s", (mode) => {
  test("finds the tools", async () => {
    const client = await connect(mode);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name).sort()).toEqual([
      "create_chat",
      "get_chat",
      "get_messages",
      "list_chats",
      "send_message",
      "stop_chat",
      "watch_chat",
    ]);
  });

  test("makes a chat and waits for its reply, and says more", async () => {
    const client = await connect(mode);
    const making = call(client, "create_chat", { message: "hello", title: "From afar" });
    const id = await nextCommit();
    await answer(id, "hello yourself");
    const made = await making;
    expect(made.data).toMatchObject({
      chat: { id, status: "waiting", title: "From afar", model: "demo/demo" },
      messages: [{ role: "assistant", text: "hello yourself", finish_reason: "stop" }],
    });
    http.commits.splice(0);
    const saying = call(client, "send_message", { chat_id: id, message: "and?" });
    await nextCommit();
    await answer(id, "nothing");
    expect((await saying).data.messages).toMatchObject([{ text: "nothing" }]);
    const page = await call(client, "get_messages", { chat_id: id, limit: 3 });
    expect(page.data).toMatchObject({
      messages: [{ text: "hello yourself" }, { role: "user", text: "and?" }, { text: "nothing" }],
      has_more: true,
    });
    const list = await call(client, "list_chats", { limit: 1 });
    expect(list.data.chats).toMatchObject([{ id }]);
  });

  test("asks for a reply of a schema, and is given its outcome", async () => {
    const client = await connect(mode);
    const schema = { type: "object", required: ["n"] };
    const response_format = { type: "json_schema", schema };
    const making = call(client, "create_chat", { message: "count", response_format });
    const id = await nextCommit();
    const [asked] = await http.world.sql<{ response_format: unknown }>(
      `select response_format from parley.chat_messages where chat_id = $1 and role = 'user'`,
      [id],
    );
    expect(asked?.response_format).toMatchObject(response_format);
    await http.machine.update(id, async (bundle) => {
      const parts = [
        { type: "text" as const, text: '{"n":1}' },
        { type: "structured-output" as const, outcome: "valid" as const, value: { n: 1 } },
      ];
      await commitStep(bundle, { messages: [{ ...reply(""), parts }] });
      await finishTurn(bundle);
    });
    expect((await making).data.messages).toMatchObject([
      { text: '{"n":1}', structured_output: { outcome: "valid", value: { n: 1 } } },
    ]);
    const refused = await call(client, "create_chat", {
      message: "count",
      response_format: { type: "json_schema", schema: { type: "no such type" } },
    });
    expect(refused).toMatchObject({ isError: true, text: expect.stringMatching(/schema/) });
  });

  test("is told when a reply takes longer, and watches it", async () => {
    const client = await connect(mode);
    const { id, chat } = await chatIn(http.world, "R0");
    const still = await call(client, "watch_chat", { chat_id: id, wait_seconds: 0 });
    expect(still.data).toMatchObject({ chat: { status: "running" }, note: expect.any(String) });
    const version = chat.snapshot_version;
    const watching = call(client, "watch_chat", {
      chat_id: id,
      snapshot_version: version,
      wait_seconds: 60,
    });
    await answer(id, "done");
    const seen = await watching;
    expect(seen.data.chat.snapshot_version).toBeGreaterThan(version);
    expect(seen.data.messages.at(-1)).toMatchObject({ text: "done" });
  });

  test("stops a chat, and gets what was kept", async () => {
    const client = await connect(mode);
    const { id } = await chatIn(http.world, "R0");
    http.commits.splice(0);
    const stopping = call(client, "stop_chat", { chat_id: id });
    await nextCommit();
    await http.machine.update(id, (bundle) =>
      finishInterruption(bundle, {
        partial: [{ role: "assistant", parts: text("I was"), finish_reason: "interrupted" }],
      }),
    );
    expect((await stopping).data).toMatchObject({
      chat: { status: "waiting" },
      kept: { text: "I was", finish_reason: "interrupted" },
    });
    // Once more changes nothing.
    expect((await call(client, "stop_chat", { chat_id: id })).data.chat.status).toBe("waiting");
  });

  test("gets refusals in words, and sees nobody else's chats", async () => {
    const client = await connect(mode, await http.newCaller());
    const { id } = await chatIn(http.world, "W");
    for (const tool of ["get_chat", "get_messages", "watch_chat", "stop_chat"]) {
      const refused = await call(client, tool, { chat_id: id });
      expect(refused).toMatchObject({
        isError: true,
        text: expect.stringMatching(/^chat_not_found/),
      });
    }
    const sent = await call(client, "send_message", { chat_id: id, message: "hi" });
    expect(sent.text).toMatch(/^chat_not_found/);
    expect((await call(client, "list_chats", {})).data.chats).toEqual([]);
    const unknown = await call(client, "create_chat", { message: "x", model: "no/model" });
    expect(unknown.text).toMatch(/^unknown_model/);
    const wrong = await call(client, "create_chat", { message: 5 });
    expect(wrong.isError).toBe(true);
  });
});

test("a call that is repeated with its key takes effect once", async () => {
  const client = await connect("auto");
  const meta = { "parley/idempotency-key": "once" };
  const args = { message: "hello", wait_seconds: 0 };
  const first = await call(client, "create_chat", args, meta);
  const second = await call(client, "create_chat", args, meta);
  expect(second.data.chat.id).toBe(first.data.chat.id);
});

test("a wait ends with the client's patience, and takes nothing along", async () => {
  const client = await connect("auto");
  const { id } = await chatIn(http.world, "R0");
  const stop = new AbortController();
  const params = { name: "watch_chat", arguments: { chat_id: id, wait_seconds: 200 } };
  const waiting = client.callTool(params, { signal: stop.signal });
  stop.abort();
  await expect(waiting).rejects.toThrow(/abort/i);
  expect((await call(client, "get_chat", { chat_id: id })).data.chat.status).toBe("running");
});

test("nobody comes in without a token", async () => {
  const initialize = {
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: {
      protocolVersion: "2025-06-18",
      capabilities: {},
      clientInfo: { name: "x", version: "1" },
    },
  };
  const accept = { accept: "application/json, text/event-stream" };
  const none = await http.call("POST", "/mcp", { body: initialize, as: null, headers: accept });
  expect(none.status).toBe(401);
  expect(none.headers.get("www-authenticate")).toMatch(/^Bearer/);
  const good = await http.call("POST", "/mcp", { body: initialize, headers: accept });
  expect(good.status).toBe(200);
  expect(good.headers.get("x-content-type-options")).toBe("nosniff");
  expect((await http.call("GET", "/mcp", { headers: accept })).status).toBe(405);
  expect((await http.call("DELETE", "/mcp", { headers: accept })).status).toBe(405);
  expect((await http.call("POST", "/mcp", { raw: "{", headers: accept })).status).toBe(400);
});

test("a server that drains ends the waits and takes no new work", async () => {
  const draining = await startHttpServer(db.database);
  onTestFinished(async () => await draining.close());
  const client = new Client(
    { name: "agent", version: "1" },
    { versionNegotiation: { mode: "auto" } },
  );
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${draining.url}/mcp`), {
      authProvider: { token: async () => draining.caller.token },
    }),
  );
  onTestFinished(async () => await client.close());
  const { id } = await chatIn(draining.world, "R0");
  const waiting = call(client, "watch_chat", { chat_id: id, wait_seconds: 200 });
  // It has come in when it has looked.
  await within("the wait has begun", call(client, "get_chat", { chat_id: id }));
  draining.server.drain();
  expect((await waiting).data.chat.status).toBe("running");
  const refused = await call(client, "create_chat", { message: "x" });
  expect(refused.text).toMatch(/^draining/);
});

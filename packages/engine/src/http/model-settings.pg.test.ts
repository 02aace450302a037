import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chatIn } from "../../test/chat-in-state.ts";
import { startHttpServer, type TestHttpServer } from "../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";

/** How the settings of models travel through the API, and what it refuses. */

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
const settings = {
  temperature: 0.2,
  stop: ["END"],
  provider_options: { demo: { mood: { kind: "calm" } } },
};

const create = async (body: object) =>
  await http.call("POST", `${api}/chats`, { body: { content: "hi", ...body } });

test("a chat has settings and fallbacks; PATCH replaces them, and takes them away", async () => {
  const made = await create({ model_settings: settings, fallback_models: ["demo/echo"] });
  expect(made.status).toBe(201);
  const { chat } = made.body;
  expect(chat).toMatchObject({ model_settings: settings, fallback_models: ["demo/echo"] });
  const path = `${api}/chats/${chat.id}`;
  const patched = await http.call("PATCH", path, { body: { model_settings: { seed: 3 } } });
  expect(patched.body.chat).toMatchObject({
    model_settings: { seed: 3 },
    fallback_models: ["demo/echo"],
    metadata_version: chat.metadata_version + 1,
    snapshot_version: chat.snapshot_version,
  });
  const again = await http.call("PATCH", path, { body: { model_settings: { seed: 3 } } });
  expect(again.body.chat.metadata_version).toBe(chat.metadata_version + 1);
  const cleared = await http.call("PATCH", path, {
    body: { model_settings: null, fallback_models: null, title: "T" },
  });
  expect(cleared.body.chat).toMatchObject({
    title: "T",
    model_settings: null,
    fallback_models: null,
    metadata_version: chat.metadata_version + 2,
  });
});

test("a fork keeps them, with the messages' own", async () => {
  const { body } = await create({ model_settings: settings, fallback_models: [] });
  const fork = await http.call("POST", `${api}/chats/${body.chat.id}/fork`, {
    body: { message_id: body.messages[0].id },
  });
  expect(fork.body.chat).toMatchObject({ model_settings: settings, fallback_models: [] });
});

test("a message brings its own, and keeps them in the queue", async () => {
  const { id } = await chatIn(http.world, "R0");
  const sent = await http.call("POST", `${api}/chats/${id}/messages`, {
    body: { content: "then", model_settings: settings, reasoning_effort: "low" },
  });
  expect(sent.body.queued).toMatchObject({ model_settings: settings, reasoning_effort: "low" });
});

describe("refused, with what is allowed", () => {
  test.each([
    ["an effort that there is none of", { reasoning_effort: "huge" }, "invalid_request"],
    ["a temperature", { model_settings: { temperature: 3 } }, "invalid_request"],
    ["an unknown setting", { model_settings: { temprature: 1 } }, "invalid_request"],
    ["no stop", { model_settings: { stop: [] } }, "invalid_request"],
    [
      "more than 8 KiB",
      { model_settings: { provider_options: { demo: { mood: "x".repeat(9_000) } } } },
      "invalid_request",
    ],
    ["an unknown fallback", { fallback_models: ["nobody/m"] }, "unknown_model"],
    ["a fallback twice", { fallback_models: ["demo/echo", "demo/echo"] }, "invalid_request"],
    [
      "six fallbacks",
      { fallback_models: ["a", "b", "c", "d", "e", "f"].map((name) => `demo/${name}`) },
      "invalid_request",
    ],
  ])("%s", async (_, body, code) => {
    const answer = await create(body);
    expect([answer.status, answer.body.code]).toEqual([400, code]);
  });

  test("an effort that the model does not know", async () => {
    const answer = await create({ model: "demo/echo", reasoning_effort: "max" });
    expect([answer.status, answer.body.code]).toEqual([400, "invalid_request"]);
    expect(answer.body.details).toEqual({ allowed: ["low", "high"] });
    const made = await create({ model: "demo/echo" });
    const path = `${api}/chats/${made.body.chat.id}`;
    for (const [method, to] of [
      ["PATCH", path],
      ["POST", `${path}/messages`],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop
      const refused = await http.call(method, to, {
        body: { ...(method === "POST" && { content: "x" }), reasoning_effort: "max" },
      });
      expect([refused.status, refused.body.details]).toEqual([400, { allowed: ["low", "high"] }]);
    }
  });

  test("a longer reply than the model may give", async () => {
    const answer = await create({ model: "demo/echo", model_settings: { max_output_tokens: 501 } });
    expect([answer.status, answer.body.details]).toEqual([400, { max_output_tokens: 500 }]);
  });

  test("options of a provider that is not there, and options that reach past the call", async () => {
    const other = await create({ model_settings: { provider_options: { other: { x: 1 } } } });
    expect([other.status, other.body.details]).toEqual([400, { allowed: ["demo"] }]);
    const headers = { provider_options: { demo: { mood: 1, headers: { a: "b" } } } };
    const refused = await create({ model_settings: headers });
    expect([refused.status, refused.body.details]).toEqual([400, { allowed: ["mood"] }]);
  });
});

test("GET /models says what each model can do and may be asked for", async () => {
  const { body } = await http.call("GET", `${api}/models`);
  expect(body.models[1]).toEqual({
    id: "demo/echo",
    provider: "demo",
    name: "Echo",
    is_default: false,
    context_window_tokens: 1000,
    max_output_tokens: 500,
    reasoning_efforts: ["low", "high"],
    default_reasoning_effort: null,
    capabilities: { images: null, files: null, tools: null, reasoning: null },
    fallback_models: [],
    provider_options: ["mood"],
  });
});

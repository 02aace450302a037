import { createClient, type Client } from "@parley/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { follow, settled } from "./follow.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";
import { replyScript, startProviderServer, type ProviderServer } from "./provider-server.ts";
import {
  databaseUrl,
  providerEnv,
  startServerProcess,
  type ServerProcess,
} from "./server-process.ts";
import { problemsOf } from "./wire-rules.ts";

/** The real server as a process, two providers over HTTP, one of which goes down in the middle of a turn. */

let db: TestDatabase;
let provider: ProviderServer;
let server: ServerProcess;
let client: Client;

beforeAll(async () => {
  db = await createTestDatabase();
  provider = await startProviderServer();
  server = await startServerProcess({
    env: {
      PARLEY_DATABASE_URL: databaseUrl(db),
      ...providerEnv(provider),
      PARLEY_FALLBACK_ATTEMPTS: "1",
      PARLEY_TITLE_MODEL: "off",
      PARLEY_MODEL_SETTINGS: JSON.stringify([
        { model: "anthropic/claude-*", max_effort: "medium", max_output_tokens: 9_000 },
        { model: "openai/*", settings: { max_output_tokens: 321 } },
      ]),
    },
  });
  client = createClient({ baseUrl: server.url, token: server.token });
});

afterAll(async () => {
  server?.kill("SIGKILL");
  await server?.exited;
  await provider?.close();
  await db?.drop();
});

const first = "anthropic/claude-sonnet-5-5";
const second = "openai/gpt-5.4";
const down = {
  status: 529,
  body: { type: "error", error: { type: "overloaded_error", message: "Overloaded" } },
};

test("another provider goes on in the middle of a turn, with a prompt that it takes", async () => {
  provider.enqueue(
    "anthropic",
    replyScript("anthropic", {
      reasoning: ["Let me look."],
      calls: [{ id: "toolu_1", name: "look", input: ["{}"] }],
    }),
  );
  const { chat } = await client.createChat({
    content: "What is there?",
    model: first,
    reasoning_effort: "medium",
    fallback_models: [second],
    client_tools: [{ name: "look", input_schema: { type: "object" } }],
  });
  await follow(client, chat.id, {
    until: ({ status }) => status?.status === "requires_action",
  });
  provider.enqueue("anthropic", [down]);
  const following = follow(client, chat.id, {
    until: (transcript) => settled(transcript) && transcript.messages.length === 4,
  });
  await client.submitToolResults(chat.id, [{ tool_call_id: "toolu_1", output: "a tree" }]);
  const { events, transcript } = await following;
  const retries = events.flatMap((event) => (event.type === "retry" ? [event.data] : []));
  expect(retries).toMatchObject([
    { kind: "overloaded", status_code: 529, model: first, next_model: second, delay_ms: 250 },
  ]);
  expect(transcript.messages.map(({ model }) => model)).toEqual([null, first, null, second]);

  const sent = provider.requests.at(-1);
  expect(sent?.protocol).toBe("openai-responses");
  expect(problemsOf("openai-responses", sent?.body ?? {})).toEqual([]);
  expect(sent?.body).toMatchObject({ model: "gpt-5.4", max_output_tokens: 321 });
  expect(JSON.stringify(sent?.body)).not.toContain("Let me look.");
  expect(JSON.stringify(sent?.body)).toContain("a tree");

  await client.sendMessage(chat.id, { content: "And now?" });
  await follow(client, chat.id, {
    until: (all) => settled(all) && all.messages.length === 6,
  });
  const next = provider.requests.at(-1);
  expect(next?.protocol).toBe("anthropic");
  expect(problemsOf("anthropic", next?.body ?? {})).toEqual([]);
  expect(JSON.stringify(next?.body)).toContain('"signature":"c2ln"');
  const { messages } = await client.listMessages(chat.id);
  expect(messages.at(-1)).toMatchObject({ role: "assistant", model: first });
});

test("what a model may be asked for is told, and anything else refused", async () => {
  const models = await client.models();
  expect(models.find(({ id }) => id === first)).toMatchObject({
    max_output_tokens: 9_000,
    reasoning_efforts: ["none", "minimal", "low", "medium"],
    capabilities: { images: true, tools: true, reasoning: true },
  });
  const refused = client.createChat({ content: "x", model: first, reasoning_effort: "high" });
  await expect(refused).rejects.toMatchObject({ code: "invalid_request" });
});

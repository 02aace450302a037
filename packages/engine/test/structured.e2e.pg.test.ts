import { createClient, structuredOutput, type Client, type Transcript } from "@parley/client";
import type { ResponseFormat } from "@parley/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { follow, settled } from "./follow.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";
import {
  replyScript,
  startProviderServer,
  textScript,
  type ProviderServer,
  type Protocol,
} from "./provider-server.ts";
import { rigOf } from "./rig.ts";
import {
  databaseUrl,
  providerEnv,
  startServerProcess,
  type ServerProcess,
} from "./server-process.ts";

/** The real server as a process, every provider's wire protocol, and subscribers over both transports. */

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
      GOOGLE_GENERATIVE_AI_API_KEY: "test-key",
      GOOGLE_GENERATIVE_AI_BASE_URL: provider.baseURL("google"),
    },
  });
  client = createClient({ baseUrl: server.url, token: server.token });
});

afterAll(async () => {
  server.kill("SIGKILL");
  await server.exited;
  await provider.close();
  await db.drop();
});

const response_format: ResponseFormat = {
  type: "json_schema",
  name: "city",
  schema: {
    type: "object",
    properties: { name: { type: "string" }, people: { type: "integer" } },
    required: ["name", "people"],
    additionalProperties: false,
  },
};
const wrong = '{"name": "Paris", "people": "many"}';
const right = '{"name": "Paris", "people": 2102650}';

/** Where each protocol says what the reply shall be; the last two are asked in words. */
const wires: [Protocol, string, (body: Record<string, unknown>) => unknown, object | string][] = [
  [
    "openai-responses",
    "openai/scripted",
    ({ text }) => text,
    { format: { type: "json_schema", name: "city", strict: false } },
  ],
  [
    "anthropic",
    "anthropic/claude-sonnet-4-5",
    ({ output_config }) => output_config,
    { format: { type: "json_schema", schema: { required: ["name", "people"] } } },
  ],
  [
    "google",
    "google/gemini-3-pro",
    ({ generationConfig }) => generationConfig,
    { responseMimeType: "application/json", responseJsonSchema: { type: "object" } },
  ],
  ["openai-chat", "openai-chat/scripted", ({ messages }) => messages, "<json_schema>"],
  ["anthropic", "anthropic/scripted", ({ system }) => system, "<json_schema>"],
];

test.each(wires)(
  "over %s, %s gives a result, and is told what is wrong with one",
  async (...row) => {
    const [protocol, model, said, expected] = row;
    const first = provider.requests.length;
    provider.enqueue(protocol, textScript(protocol, [wrong.slice(0, 9), wrong.slice(9)]));
    provider.enqueue(protocol, textScript(protocol, [right]));
    const { chat } = await client.createChat({
      content: "A city?",
      model,
      title: "A city",
      response_format,
    });
    const { transcript } = await follow(client, chat.id, { until: settled });
    expect(structuredOutput(transcript.messages)).toMatchObject({
      outcome: "valid",
      value: { name: "Paris", people: 2102650 },
    });
    const { messages } = await client.listMessages(chat.id);
    expect(transcript.messages).toEqual(messages);
    expect(messages.map(({ role }) => role)).toEqual(["user", "assistant", "assistant"]);
    expect(messages[0]?.response_format).toEqual(response_format);
    expect(messages[1]?.parts.at(-1)).toMatchObject({ outcome: "invalid", repairing: true });
    const asked = provider.requests.slice(first);
    expect(asked).toHaveLength(2);
    for (const { body } of asked) {
      if (typeof expected === "object") expect(said(body)).toMatchObject(expected);
      else expect(JSON.stringify(said(body))).toContain(expected);
      expect(JSON.stringify(body.tools ?? [])).not.toContain('"json"');
    }
    expect(JSON.stringify(asked[1]?.body)).toContain("/people: must be integer");
  },
);

test.each(["websocket", "sse"] as const)("the outcome is live over %s", async (transport) => {
  provider.enqueue("openai-responses", textScript("openai-responses", [right]));
  const { chat } = await client.createChat({
    content: "first",
    model: "demo/fast",
    title: "A city",
  });
  await follow(client, chat.id, { until: settled });
  const ready = Promise.withResolvers<void>();
  let begun = false;
  const following = follow(client, chat.id, {
    transport,
    until: (transcript) => {
      if (transcript.ready) ready.resolve();
      begun ||= transcript.status?.status === "running";
      return begun && settled(transcript);
    },
  });
  await ready.promise;
  await client.sendMessage(chat.id, {
    content: "A city?",
    model: "openai/scripted",
    response_format,
  });
  const { events } = await following;
  const live = events.flatMap(({ type, data }) => (type === "message_part" ? [data.part] : []));
  expect(live.at(-1)).toEqual({
    type: "structured-output",
    index: 1,
    name: "city",
    outcome: "valid",
    value: { name: "Paris", people: 2102650 },
  });
});

test("tools come first", async () => {
  const script = replyScript("google", {
    calls: [{ id: "c1", name: "now", input: ["{}"] }],
  });
  provider.enqueue("google", script);
  provider.enqueue("google", textScript("google", [right]));
  const { chat } = await client.createChat({
    content: "A city?",
    model: "google/gemini-2.5-pro",
    title: "A city",
    response_format,
    client_tools: [{ name: "now", input_schema: { type: "object" } }],
  });
  const until = ({ actions }: Transcript): boolean => actions !== null;
  const { transcript } = await follow(client, chat.id, { until });
  expect(structuredOutput(transcript.messages)).toBeNull();
  const [action] = transcript.actions?.actions ?? [];
  await client.submitToolResults(chat.id, [
    { tool_call_id: action?.tool_call_id ?? "", output: "noon" },
  ]);
  const after = await follow(client, chat.id, {
    until: (now) => settled(now) && now.status?.status === "waiting",
  });
  expect(structuredOutput(after.transcript.messages)).toMatchObject({ outcome: "valid" });
  // It cannot have both, so it is asked in words and forced into nothing.
  const { body } = provider.requests.at(-1) ?? { body: {} };
  expect(JSON.stringify(body)).toContain("<json_schema>");
  expect(JSON.stringify(body)).not.toContain("responseJsonSchema");
});

test("kill -9 between a wrong result and its repair: the restarted server goes on with it", async (context) => {
  const rig = await rigOf(context, { env: { PARLEY_TITLE_MODEL: "off" } });
  rig.provider.enqueue("anthropic", textScript("anthropic", [wrong]));
  rig.provider.enqueue("anthropic", [{ hang: true }]);
  const model = "anthropic/scripted";
  const { chat } = await rig.client.createChat({ content: "A city?", model, response_format });
  await rig.provider.request(1);
  await rig.kill();
  rig.provider.enqueue("anthropic", textScript("anthropic", [right]));
  await rig.restart();
  const { transcript } = await follow(rig.client, chat.id, { until: settled });
  expect(structuredOutput(transcript.messages)).toMatchObject({ outcome: "valid" });
  expect(transcript.messages.map(({ role }) => role)).toEqual(["user", "assistant", "assistant"]);
  expect(rig.provider.requests).toHaveLength(3);
  expect(JSON.stringify(rig.provider.requests[2]?.body)).toContain("/people: must be integer");
});

test("the demo model gives an example", async () => {
  const { chat } = await client.createChat({
    content: "something wrong at first",
    model: "demo/fast",
    response_format,
  });
  const { transcript } = await follow(client, chat.id, { until: settled });
  expect(structuredOutput(transcript.messages)).toMatchObject({
    outcome: "valid",
    value: { name: "example", people: 1 },
  });
  expect(transcript.messages).toHaveLength(3);
});

describe("what cannot be asked for is refused before anything happens", () => {
  test.each<[string, ResponseFormat["schema"], RegExp]>([
    ["no schema", { type: "city" }, /type must be/],
    ["a remote reference", { $ref: "https://example.com/city.json" }, /example\.com/],
    ["a reference to nothing", { $ref: "#/$defs/city" }, /can't resolve/],
    ["one that is too large", { description: "x".repeat(40_000) }, /larger/],
    ["a pattern that is none", { pattern: "(" }, /regular expression/],
  ])("%s", async (_, schema, detail) => {
    const chats = (await client.listChats({})).chats.length;
    await expect(
      client.createChat({ content: "x", response_format: { type: "json_schema", schema } }),
    ).rejects.toMatchObject({ code: "invalid_request", message: expect.stringMatching(detail) });
    expect((await client.listChats({})).chats).toHaveLength(chats);
  });
});

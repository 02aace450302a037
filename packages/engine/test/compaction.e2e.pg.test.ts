import { createClient, type Client } from "@parley/client";
import type { Chat } from "@parley/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";
import { follow, settled } from "./follow.ts";
import {
  startProviderServer,
  textScript,
  type ProviderServer,
  type Protocol,
} from "./provider-server.ts";
import {
  databaseUrl,
  providerEnv,
  startServerProcess,
  type ServerProcess,
} from "./server-process.ts";

/** The real server as a process, its demo model or a provider's wire protocol, and subscribers over both transports. */

let db: TestDatabase;
let provider: ProviderServer;
let server: ServerProcess;
let client: Client;

beforeAll(async () => {
  db = await createTestDatabase();
  provider = await startProviderServer();
  server = await startServerProcess({
    env: { PARLEY_DATABASE_URL: databaseUrl(db), ...providerEnv(provider) },
  });
  client = createClient({ baseUrl: server.url, token: server.token });
});

afterAll(async () => {
  server.kill("SIGKILL");
  await server.exited;
  await provider.close();
  await db.drop();
});

async function answered(content: string, model: string): Promise<Chat> {
  const { chat } = await client.createChat({ content, model });
  await follow(client, chat.id, { until: settled });
  return await client.getChat(chat.id);
}

test.each(["websocket", "sse"] as const)(
  "a compaction is seen live over %s, and takes nothing off the transcript",
  async (transport) => {
    const { id } = await answered("remember the number seven", "demo/demo");
    const before = (await client.listMessages(id)).messages;
    const ready = Promise.withResolvers<void>();
    let begun = false;
    const following = follow(client, id, {
      transport,
      until: (transcript) => {
        if (transcript.ready) ready.resolve();
        begun ||= transcript.status?.status === "running";
        return begun && settled(transcript);
      },
    });
    await ready.promise;
    expect((await client.compact(id)).status).toBe("running");
    const { transcript, events } = await following;
    const told = events.flatMap(({ type, data }) =>
      type === "message_part" && data.part.type === "tool-progress" ? [data.part.progress] : [],
    );
    expect(told.length).toBeGreaterThan(0);
    expect(told[0]).toMatchObject({ tool_name: "compact_context", reason: "asked" });
    expect(transcript.status?.status).toBe("waiting");
    const { messages } = await client.listMessages(id);
    expect(messages.slice(0, before.length)).toEqual(before);
    expect(transcript.messages).toEqual(messages);
    expect(messages.slice(before.length).map(({ role, visibility }) => [role, visibility])).toEqual(
      [
        ["assistant", "user"],
        ["tool", "user"],
      ],
    );
    expect(messages.at(-2)?.parts).toMatchObject([
      { type: "tool-call", tool_name: "compact_context", input: { reason: "asked" } },
    ]);
    expect(messages.at(-1)?.parts).toMatchObject([
      { type: "tool-result", output: expect.stringContaining("remember the number seven") },
    ]);
    await expect(client.compact(id)).rejects.toMatchObject({ code: "nothing_to_compact" });

    await client.sendMessage(id, { content: "and now?" });
    const after = await follow(client, id, { transport, until: settled });
    expect(after.transcript.messages.at(-1)).toMatchObject({
      role: "assistant",
      finish_reason: "stop",
    });
  },
);

test("one that is stopped leaves nothing, on no screen either", async () => {
  const { id } = await answered("some words to be remembered ".repeat(3), "demo/demo");
  const { messages } = await client.listMessages(id);
  await client.compact(id);
  const stopped = follow(client, id, {
    until: ({ ready, status, preview }) =>
      ready && preview === null && status?.status === "waiting",
  });
  await follow(client, id, { until: ({ preview }) => preview !== null });
  await client.interrupt(id, { wait: true });
  const { transcript } = await stopped;
  expect(transcript.messages).toEqual(messages);
  expect((await client.listMessages(id)).messages).toEqual(messages);
});

test("a context that overflows again after its compaction ends in an error, and the chat goes on from there", async () => {
  const { id } = await answered("hello", "demo/fast");
  await client.sendMessage(id, { content: "fail context" });
  // The error is told after the status.
  const { transcript } = await follow(client, id, { until: ({ error }) => error !== null });
  expect(transcript.error).toMatchObject({
    kind: "context_overflow",
    message: expect.stringContaining("just been compacted"),
  });
  await expect(client.compact(id)).rejects.toMatchObject({ code: "nothing_to_compact" });
  await client.clear(id);
  await client.sendMessage(id, { content: "once more" });
  const after = await follow(client, id, { until: settled });
  expect(after.transcript.messages.at(-1)?.role).toBe("assistant");
  expect(after.transcript.status?.status).toBe("waiting");
});

const tooLong: [Protocol, string, unknown][] = [
  ["openai-responses", "openai/scripted", { error: { code: "context_length_exceeded" } }],
  ["openai-chat", "openai-chat/scripted", { error: { code: "context_length_exceeded" } }],
  [
    "anthropic",
    "anthropic/scripted",
    {
      type: "error",
      error: { type: "invalid_request_error", message: "prompt is too long: 2 tokens > 1 maximum" },
    },
  ],
];

test.each(tooLong)(
  "a context that %s refuses as too long is compacted, and the turn goes on",
  async (protocol, model, body) => {
    const first = provider.requests.length;
    provider.enqueue(protocol, textScript(protocol, ["Hi."]));
    const { id } = await answered("hello", model);
    provider.enqueue(protocol, [{ status: 400, body }]);
    provider.enqueue(protocol, textScript(protocol, ["Greetings were exchanged."]));
    provider.enqueue(protocol, textScript(protocol, ["Going on."]));
    await client.sendMessage(id, { content: "and next?" });
    const { transcript } = await follow(client, id, { until: settled });
    expect(transcript.status?.status).toBe("waiting");
    expect(transcript.messages.at(-1)?.parts).toMatchObject([{ type: "text", text: "Going on." }]);
    const asked = provider.requests.slice(first).map((request) => JSON.stringify(request.body));
    expect(asked).toHaveLength(4);
    expect(asked[2]).toContain("Write the summary.");
    expect(asked[3]).toContain("Greetings were exchanged.");
    expect(asked[3]).toContain("and next?");
    expect(asked[3]).not.toContain("hello");
  },
);

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { applyEvents, createClient, emptyTranscript, type Client } from "@parley/client";
import type { ChatEvent } from "@parley/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";
import { follow, settled, type FollowOptions } from "./follow.ts";
import {
  gate,
  recordingScript,
  replyScript,
  startProviderServer,
  type Protocol,
  type ProviderServer,
  type Script,
} from "./provider-server.ts";
import {
  databaseUrl,
  providerEnv,
  startServerProcess,
  type ServerProcess,
} from "./server-process.ts";

/** The real server as a process, a provider's wire protocol over real HTTP, and subscribers over both transports. */

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

const models: Record<Exclude<Protocol, "google">, string> = {
  "openai-responses": "openai/scripted",
  "openai-chat": "openai-chat/scripted",
  anthropic: "anthropic/scripted",
};

type Wire = keyof typeof models;
const wires = Object.keys(models) as Wire[];

const clientTools = [
  { name: "lookup", description: "Looks something up.", input_schema: { type: "object" } },
];

/** One turn with a script, seen live, from before its first part, over both transports. */
async function play(wire: Wire, script: Script) {
  const start = gate();
  provider.enqueue(wire, [{ gate: start.promise }, ...script]);
  const { chat } = await client.createChat({
    content: "Go.",
    model: models[wire],
    client_tools: clientTools,
  });
  let watching = 0;
  const until: FollowOptions["until"] = (transcript, event) => {
    if (event.type === "ready" && ++watching === 2) start.open();
    return settled(transcript);
  };
  const [overWebSocket, overSse] = await Promise.all([
    follow(client, chat.id, { transport: "websocket", until }),
    follow(client, chat.id, { transport: "sse", until }),
  ]);
  return { chatId: chat.id, overWebSocket, overSse };
}

/** Resumes from the cursor of every event and compares what comes of it with the database. */
async function resumeEverywhere(chatId: string, events: readonly ChatEvent[]): Promise<number> {
  const { messages, queue } = await client.listMessages(chatId, { limit: 200 });
  let tried = 0;
  for (const transport of ["websocket", "sse"] as const) {
    const positions = events.flatMap((event, at) => (event.cursor ? [at] : []));
    // oxlint-disable-next-line no-await-in-loop
    await inParallel(8, positions, async (at) => {
      const from = applyEvents(emptyTranscript, events.slice(0, at + 1));
      const cursor = events[at]?.cursor;
      const { transcript } = await follow(client, chatId, {
        transport,
        cursor,
        from: { ...from, ready: false },
        until: (_, event) => event.type === "ready",
      });
      expect(transcript.desync, `after event ${at}`).toBe(false);
      expect(transcript.messages, `after event ${at}`).toEqual(messages);
      expect(transcript.queue).toEqual(queue);
      expect(transcript.preview, `after event ${at}`).toBeNull();
      tried += 1;
    });
  }
  return tried;
}

async function inParallel<T>(
  width: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const lane = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      // oxlint-disable-next-line no-await-in-loop
      await work(item);
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
}

describe.each(wires)("a reply over %s", (wire) => {
  const reply = {
    reasoning: ["First ", "I think."],
    text: ["Hello", ", ", "wörld ", "🌍", "\n\n**bold**"],
    calls: [{ id: "call_1", name: "lookup", input: ['{"q":', '"tea"}'] }],
  };

  test("live and resumed after every single event, a subscriber has what the database has (C08)", async () => {
    const { chatId, overWebSocket, overSse } = await play(wire, replyScript(wire, reply));
    const { messages } = await client.listMessages(chatId, { limit: 200 });
    expect(messages.map(({ role }) => role)).toEqual(["user", "assistant"]);
    expect(messages[1]?.parts.at(-1)).toMatchObject({ type: "tool-call", input: { q: "tea" } });
    expect(overWebSocket.transcript.messages).toEqual(messages);
    expect(overSse.transcript.messages).toEqual(messages);
    expect(await resumeEverywhere(chatId, overWebSocket.events)).toBeGreaterThan(10);
  });

  test("a subscriber that reconnects after every event while the reply runs misses and doubles nothing (C09)", async () => {
    const text = Array.from({ length: 12 }, (_, n) => `piece ${n}, `);
    const gates = text.map(() => gate());
    provider.enqueue(
      wire,
      replyScript(wire, { text, gates: Object.fromEntries(gates.map((g, n) => [n, g.promise])) }),
    );
    const { chat } = await client.createChat({ content: "Go.", model: models[wire] });
    let transcript = emptyTranscript;
    let cursor: string | undefined;
    for (let hop = 0; !settled(transcript); hop++) {
      expect(hop).toBeLessThan(2_000);
      gates[hop]?.open();
      // oxlint-disable-next-line no-await-in-loop
      const step = await follow(client, chat.id, {
        cursor,
        from: transcript,
        transport: hop % 2 === 0 ? "websocket" : "sse",
        until: () => true,
      });
      expect(step.transcript.desync).toBe(false);
      transcript = step.transcript;
      cursor = step.events[0]?.cursor ?? cursor;
    }
    const { messages } = await client.listMessages(chat.id);
    expect(messages[1]?.parts).toMatchObject([{ type: "text", text: text.join("") }]);
    expect(transcript.messages).toEqual(messages);
  });
});

const recordings = process.env["PARLEY_RECORDINGS"];

describe.skipIf(recordings === undefined)("recorded replies", () => {
  const all = wires.flatMap((wire) => {
    const folder = join(recordings ?? "", wire);
    if (recordings === undefined) return [];
    return readdirSync(folder).map((file) => ({ wire, file, path: join(folder, file) }));
  });

  test.each(all)(
    "$wire/$file",
    async ({ wire, path }) => {
      const script = recordingScript(wire, readFileSync(path, "utf8"));
      const { chatId, overWebSocket, overSse } = await play(wire, script);
      const { messages } = await client.listMessages(chatId, { limit: 200 });
      expect(overWebSocket.transcript.messages).toEqual(messages);
      expect(overSse.transcript.messages).toEqual(messages);
      await resumeEverywhere(chatId, overWebSocket.events);
      // The chat is usable afterwards, whatever the recording was.
      expect((await client.getChat(chatId)).status).toMatch(/waiting|error|requires_action/);
    },
    300_000,
  );
});

import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { cast } from "../../../test/cast.ts";
import { Cluster } from "../../../test/replica.ts";
import { calls, says } from "../../../test/scripted-models.ts";
import { createChat } from "../../machine/transitions/create-chat.ts";
import { createFileStore } from "../../store/file-bytes.ts";
import { beginUpload, endUpload } from "../../store/files.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

async function fileOf(text: string, name: string): Promise<string> {
  const id = randomUUID();
  const { database, owner } = cluster;
  const bytes = Buffer.from(text);
  const upload = { id, owner_id: owner, name, bytes_reserved: bytes.length };
  await database.write((tx) => beginUpload(tx, upload, 0));
  await createFileStore(database).append(id, 0, bytes);
  const sha256 = new Uint8Array(32);
  const ended = { id, media_type: "text/plain", size_bytes: bytes.length, sha256, age_ms: null };
  await database.write((tx) => endUpload(tx, { ...ended, unused_ms: 60_000 }));
  return id;
}

test("a sub-agent has the files that it was given by name, and holds them by itself", async () => {
  const replica = await cluster.replica({ subAgents: {} });
  const id = await fileOf("the numbers", "numbers.txt");
  const other = await fileOf("not attached", "other.txt");
  cast(replica.models, {
    work: [
      calls(
        ["a", "spawn_agent", { prompt: "add them up", files: ["numbers.txt", "numbers.txt"] }],
        ["b", "spawn_agent", { prompt: "read it", files: ["other.txt"] }],
      ),
      calls(["wait", "wait_agents", {}]),
      says("done"),
    ],
    "add them up": [says("42")],
  });
  const chatId = randomUUID();
  const chat = {
    id: chatId,
    owner_id: cluster.owner,
    parent_chat_id: null,
    root_chat_id: chatId,
    title: null,
    labels: {},
    model: "test/model",
    reasoning_effort: null,
    system_prompt: null,
    client_tools: [],
    status: "running",
  } as const;
  const file = { type: "file", file_id: id, media_type: "text/plain" } as const;
  const parts = [{ type: "text", text: "work" } as const, { ...file, filename: "numbers.txt" }];
  const messages = [{ role: "user", parts } as const];
  await replica.machine.create(chat, (bundle) => createChat(bundle, { messages }), {
    acquire: true,
    operation: "api.create",
  });
  await cluster.untilIdle(chatId);
  const asked = replica.models.requests.filter(({ messages }) =>
    JSON.stringify(messages[0]).includes("add them up"),
  );
  const data = Buffer.from("the numbers").toString("base64");
  expect(asked[0]?.messages[0]?.parts).toEqual([
    { type: "text", text: "add them up" },
    { type: "file", media_type: "text/plain", filename: "numbers.txt", data },
  ]);
  const results = (await cluster.history(chatId))
    .flatMap(({ parts }) => parts)
    .filter((part) => part.type === "tool-result");
  expect(results.map(({ is_error }) => is_error)).toEqual([false, true, false]);
  expect(results[1]?.output).toContain('No file "other.txt" is attached here.');
  const held = await cluster.rows<{ chats: number; file_id: string }>(
    `select file_id, count(*) as chats from parley.chat_files group by file_id`,
  );
  expect(held).toEqual([{ file_id: id, chats: 2 }]);
  expect(held.some(({ file_id }) => file_id === other)).toBe(false);
});

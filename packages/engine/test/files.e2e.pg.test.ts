import { createClient, type Client } from "@parley/client";
import type { StoredFile } from "@parley/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./eventually.ts";
import { follow, settled } from "./follow.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";
import { startProviderServer, type Protocol, type ProviderServer } from "./provider-server.ts";
import {
  databaseUrl,
  providerEnv,
  startServerProcess,
  type ServerProcess,
} from "./server-process.ts";

/** Files from a client through the real server to a provider's wire, and back. */

let db: TestDatabase;
let provider: ProviderServer;
let server: ServerProcess;
let client: Client;

const promptFileBytes = 300 * 1024;

beforeAll(async () => {
  db = await createTestDatabase();
  provider = await startProviderServer();
  server = await startServerProcess({
    env: {
      PARLEY_DATABASE_URL: databaseUrl(db),
      PARLEY_PROMPT_FILE_BYTES: String(promptFileBytes),
      ...providerEnv(provider),
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

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text));
const png = new Uint8Array(
  Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkM9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "base64",
  ),
);
const pdf = bytesOf("%PDF-1.4\n%%EOF\n");
const zip = new Uint8Array([0x50, 0x4b, 3, 4, 20, 0, 0, 0, 8, 0, 1, 2]);
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

const models: Record<Protocol, string> = {
  "openai-responses": "openai/gpt-5",
  "openai-chat": "openai-chat/scripted",
  anthropic: "anthropic/claude-sonnet-4-5",
  google: "google/gemini-2.5-flash",
};

const part = (file: StoredFile) => ({ type: "file" as const, file_id: file.id });

/** What the provider was sent for a message with these parts. */
async function sent(protocol: Protocol, files: readonly StoredFile[], chatId?: string) {
  const index = provider.requests.length;
  const content = [{ type: "text" as const, text: "What is this?" }, ...files.map(part)];
  const chat = chatId ?? (await client.createChat({ content, model: models[protocol] })).chat.id;
  if (chatId !== undefined) await client.sendMessage(chatId, { content });
  const { body } = await provider.request(index);
  await follow(client, chat, { until: settled });
  return { chat, body, text: JSON.stringify(body) };
}

describe.each(Object.keys(models) as Protocol[])("over %s", (protocol) => {
  test("text goes as text, what cannot be seen is named, what has expired is said to have", async () => {
    const [text, archive, drawing, gone] = await Promise.all([
      client.uploadFile(bytesOf("alpha;beta\n"), { name: "numbers.csv" }),
      client.uploadFile(zip, { name: "all.zip" }),
      client.uploadFile(bytesOf("<svg>ring</svg>"), { name: "ring.svg" }),
      client.uploadFile(bytesOf("old"), { name: "old.txt" }),
    ]);
    const first = await sent(protocol, [text, archive, drawing, gone]);
    expect(first.text).toContain('Attached file \\"numbers.csv\\" (text/csv):\\n\\nalpha;beta\\n');
    expect(first.text).toContain(
      '[Attached file \\"all.zip\\" (application/zip), which cannot be shown here]',
    );
    expect(first.text).toContain(
      'Attached file \\"ring.svg\\" (image/svg+xml):\\n\\n<svg>ring</svg>',
    );
    expect(first.text).toContain("old.txt");
    expect(first.text).not.toContain(base64(zip));
    await client.deleteFile(gone.id);
    const second = await sent(protocol, [], first.chat);
    expect(second.text).toContain('[file \\"old.txt\\" has expired]');
    expect(second.text).toContain("alpha;beta");
  });

  test("what there is no room for is left out, the oldest first", async () => {
    const large = async (name: string) =>
      await client.uploadFile(new Uint8Array([...png, ...new Uint8Array(200 * 1024)]), { name });
    const [older, newer] = [await large("older.png"), await large("newer.png")];
    const { text } = await sent(protocol, [older, newer]);
    expect(text).toContain('[file \\"older.png\\" (image/png, ');
    expect(text).not.toContain('[file \\"newer.png\\"');
    const long = await client.uploadFile(bytesOf("é".repeat(200 * 1024)), { name: "long.txt" });
    const cut = await sent(protocol, [long]);
    expect(cut.text).toContain(`these are the first ${256 * 1024} of ${400 * 1024} bytes`);
    expect(cut.text).not.toContain("\ufffd");
  });
});

/** The user's message as each protocol has it, with a picture and a document. */
const placed: Record<Protocol, (body: Record<string, unknown>) => unknown> = {
  anthropic: (body) => (body["messages"] as { content: unknown }[])[0]?.content,
  "openai-responses": (body) =>
    (body["input"] as { role?: string; content: unknown }[]).find(({ role }) => role === "user")
      ?.content,
  "openai-chat": (body) => (body["messages"] as { content: unknown }[])[0]?.content,
  google: (body) => (body["contents"] as { parts: unknown }[])[0]?.parts,
};

test("pictures and documents stand in each protocol's own form", async () => {
  const picture = await client.uploadFile(new Blob([png]), { name: "dot.png" });
  const document = await client.uploadFile(pdf, { name: "paper.pdf" });
  expect([picture.media_type, document.media_type]).toEqual(["image/png", "application/pdf"]);
  const bodies: Partial<Record<Protocol, unknown>> = {};
  for (const protocol of Object.keys(models) as Protocol[]) {
    // oxlint-disable-next-line no-await-in-loop
    bodies[protocol] = placed[protocol]((await sent(protocol, [picture, document])).body);
  }
  expect(bodies["anthropic"]).toMatchObject([
    { type: "text", text: "What is this?" },
    { type: "image", source: { type: "base64", media_type: "image/png", data: base64(png) } },
    {
      type: "document",
      source: { type: "base64", media_type: "application/pdf", data: base64(pdf) },
    },
  ]);
  expect(bodies["openai-responses"]).toMatchObject([
    { type: "input_text", text: "What is this?" },
    { type: "input_image", image_url: `data:image/png;base64,${base64(png)}` },
    { type: "input_file", file_data: `data:application/pdf;base64,${base64(pdf)}` },
  ]);
  // Another server behind OpenAI's variables: of documents nothing is known there, so they are named.
  expect(bodies["openai-chat"]).toMatchObject([
    { type: "text", text: "What is this?" },
    { type: "image_url", image_url: { url: `data:image/png;base64,${base64(png)}` } },
    {
      type: "text",
      text: '[Attached file "paper.pdf" (application/pdf), which cannot be shown here]',
    },
  ]);
  expect(bodies["google"]).toMatchObject([
    { text: "What is this?" },
    { inlineData: { mimeType: "image/png", data: base64(png) } },
    { inlineData: { mimeType: "application/pdf", data: base64(pdf) } },
  ]);
});

test("a link opens without a token; the bytes are the same", async () => {
  const file = await client.uploadFile(new File([png], "named.png"));
  expect(file.name).toBe("named.png");
  expect(await client.getFile(file.id)).toEqual(file);
  const response = await fetch(await client.fileUrl(file.id));
  expect(new Uint8Array(await response.arrayBuffer())).toEqual(png);
  await client.deleteFile(file.id);
  await expect(client.getFile(file.id)).rejects.toMatchObject({ code: "file_not_found" });
});

test("a server that is killed while a file arrives leaves what the sweep takes, and no file", async () => {
  const second = await startServerProcess({ env: { PARLEY_DATABASE_URL: databaseUrl(db) } });
  const left = async () =>
    await db.database.one<{ id: string; due: Date }>({
      name: "test.left_uploads",
      text: `select f.id, f.sweep_at as due from parley.files f
             where state = 'uploading' and exists (select from parley.file_chunks c where c.file_id = f.id)`,
    });
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new Uint8Array(300 * 1024));
      return new Promise(() => {});
    },
  });
  const uploading = fetch(`${second.url}/api/v1/files`, {
    method: "POST",
    body,
    duplex: "half",
    headers: {
      authorization: `Bearer ${server.token}`,
      "content-type": "application/octet-stream",
    },
  });
  const failed = uploading.then(
    () => false,
    () => true,
  );
  await eventually("a chunk", async () => (await left()).length === 1);
  second.kill("SIGKILL");
  await second.exited;
  expect(await failed).toBe(true);
  const [upload] = await left();
  expect(upload?.due.getTime()).toBeGreaterThan(Date.now());
  await expect(client.getFile(upload?.id ?? "")).rejects.toMatchObject({ code: "file_not_found" });
});

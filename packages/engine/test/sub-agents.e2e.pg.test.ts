import { randomBytes } from "node:crypto";
import { createClient, type Client } from "@parley/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadConfig } from "../src/config.ts";
import { hashToken } from "../src/domain/token.ts";
import { createEngine } from "../src/engine.ts";
import type { Replica } from "../src/engine/replica.ts";
import { systemClock } from "../src/lib/clock.ts";
import { silentLogger } from "../src/lib/logger.ts";
import { systemRandom } from "../src/lib/random.ts";
import { insertPrincipal } from "../src/store/principals.ts";
import { insertToken } from "../src/store/tokens.ts";
import { cast, type Roles } from "./cast.ts";
import { eventually } from "./eventually.ts";
import { settled } from "./follow.ts";
import { onlooker } from "./onlooker.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";
import { calls, says, ScriptedModels } from "./scripted-models.ts";
import { databaseUrl } from "./server-process.ts";

/** Whole replicas, their API and their bus; only the models are scripted. */

let db: TestDatabase;
const engines: Replica[] = [];
const random = systemRandom(systemClock);

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => {
  await Promise.all(engines.map(async (engine) => await engine.stop()));
  await db.drop();
});

async function engineWith(roles: Roles, env: Record<string, string>): Promise<Replica> {
  const { config } = loadConfig({
    env: {
      PARLEY_DATABASE_URL: databaseUrl(db),
      PARLEY_PORT: "0",
      PARLEY_RELAY_PORT: "0",
      PARLEY_TITLE_MODEL: "off",
      ...env,
    },
    platform: process.platform,
    homeDir: "/nonexistent",
  });
  const models = new ScriptedModels();
  cast(models, roles);
  const engine = await createEngine(config, {
    connection: db.settings,
    logger: silentLogger,
    clock: systemClock,
    random,
    version: "test",
    models,
  });
  engines.push(engine);
  await engine.start();
  return engine;
}

async function newToken(): Promise<string> {
  const token = `parley_${randomBytes(32).toString("base64url")}`;
  await db.database.write(async (tx) => {
    const id = random.uuid();
    await insertPrincipal(tx, { id, name: "somebody", is_admin: false });
    await insertToken(tx, {
      id: random.uuid(),
      principal_id: id,
      name: "sub-agents",
      token_hash: hashToken(token),
      expires_in_seconds: null,
    });
  });
  return token;
}

async function finished(client: Client, chatId: string): Promise<void> {
  const screen = onlooker(client, chatId);
  await screen.until("the turn is over", settled);
  await screen.close();
}

test("a family over two servers: its chats have their own streams, and their cost is added up", async () => {
  const roles: Roles = {
    work: [
      calls(["a", "spawn_agent", { prompt: "one" }], ["b", "spawn_agent", { prompt: "two" }]),
      calls(["w", "wait_agents", {}]),
      says("both are done"),
    ],
    one: [says("first")],
    two: [says("second")],
  };
  const env = { PARLEY_SUB_AGENTS: "on", PARLEY_CAPACITY: "1" };
  const here = await engineWith(roles, env);
  const there = await engineWith(roles, env);
  const token = await newToken();
  const client = createClient({ baseUrl: here.url, token });
  const { chat } = await client.createChat({ content: "work", model: "test/model" });
  await finished(client, chat.id);
  const { messages } = await client.listMessages(chat.id);
  expect(messages.at(-1)?.parts).toEqual([{ type: "text", text: "both are done" }]);
  const results = JSON.stringify(messages.findLast(({ role }) => role === "tool"));
  expect(results).toContain("first");
  expect(results).toContain("second");

  const elsewhere = createClient({ baseUrl: there.url, token });
  expect((await elsewhere.listChats()).chats.map(({ id }) => id)).toEqual([chat.id]);
  const { chats } = await elsewhere.listChats({ parent: chat.id });
  expect(chats).toHaveLength(2);
  for (const child of chats) {
    expect(child).toMatchObject({ parent_chat_id: chat.id, root_chat_id: chat.id });
    await finished(elsewhere, child.id);
  }
  const usage = await elsewhere.usage(chat.id);
  expect(usage.own.total.replies).toBe(3);
  expect(usage.family).toMatchObject({ chats: 3, total: { replies: 5 } });
  await elsewhere.deleteChat(chat.id);
  await eventually("nobody is driven", () => here.worker.stats().runners === 0);
  expect((await client.listChats({ parent: chat.id })).chats).toEqual([]);
});

test("without the setting, models are offered no such tools", async () => {
  const roles: Roles = { work: [calls(["a", "spawn_agent", { prompt: "one" }]), says("alone")] };
  const engine = await engineWith(roles, {});
  await Promise.all(engines.splice(0, 2).map(async (other) => await other.stop()));
  const client = createClient({ baseUrl: engine.url, token: await newToken() });
  const { chat } = await client.createChat({ content: "work", model: "test/model" });
  await finished(client, chat.id);
  const { messages } = await client.listMessages(chat.id);
  expect(JSON.stringify(messages)).toContain('no tool \\"spawn_agent\\"');
  expect((await client.usage(chat.id)).family.chats).toBe(1);
});

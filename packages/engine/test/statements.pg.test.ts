import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createClient, type Client } from "@parley/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { loadConfig } from "../src/config.ts";
import { hashToken } from "../src/domain/token.ts";
import { createEngine } from "../src/engine.ts";
import type { Replica } from "../src/engine/replica.ts";
import { systemClock } from "../src/lib/clock.ts";
import { silentLogger } from "../src/lib/logger.ts";
import { ManualClock } from "../src/lib/manual-clock.ts";
import { systemRandom } from "../src/lib/random.ts";
import { diff, type Counts } from "../src/postgres/stats.ts";
import { insertPrincipal } from "../src/store/principals.ts";
import { insertToken } from "../src/store/tokens.ts";
import { defineTool } from "../src/tools/tool.ts";
import { eventually } from "./eventually.ts";
import { previewText, settled } from "./follow.ts";
import { onlooker, type Onlooker } from "./onlooker.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";
import { gate } from "./provider-server.ts";
import { calls, hangs, ScriptedModels, says } from "./scripted-models.ts";
import { databaseUrl } from "./server-process.ts";

/**
 * What a replica asks of its database, operation by operation. Its clock stands still, so that nothing is counted that
 * happens by the hour: heartbeats, checkpoints, polls, audits. The database, the API and the streams are the real ones.
 */

let db: TestDatabase;
let engine: Replica;
let client: Client;
const models = new ScriptedModels();
const random = systemRandom(systemClock);

const probe = (name: string, delivery: "at_least_once" | "at_most_once") =>
  defineTool({
    name,
    description: "Answers at once.",
    input: z.strictObject({}),
    delivery,
    execute: () => ({ done: true }),
  });

beforeAll(async () => {
  db = await createTestDatabase();
  const { config } = loadConfig({
    env: {
      PARLEY_DATABASE_URL: databaseUrl(db),
      PARLEY_PORT: "0",
      // Made once per chat, in the background: no part of a turn.
      PARLEY_TITLE_MODEL: "off",
    },
    platform: process.platform,
    homeDir: "/nonexistent",
  });
  engine = await createEngine(config, {
    connection: db.settings,
    logger: silentLogger,
    clock: new ManualClock(),
    random,
    version: "test",
    models,
    tools: [probe("look", "at_least_once"), probe("pay", "at_most_once")],
  });
  await engine.start();
  client = createClient({ baseUrl: engine.url, token: await newToken() });
  // The first use of a token and of the database's identity are asked once per replica, not per turn.
  models.enqueue(says("Warm."));
  const { chat } = await client.createChat({ content: "Warm up.", model: "test/model" });
  const screen = onlooker(client, chat.id);
  await screen.until("the first turn is over", settled);
  await screen.close();
  await quiet();
});

afterAll(async () => {
  await engine.stop();
  await db.drop();
});

async function newToken(): Promise<string> {
  const token = `parley_${randomBytes(32).toString("base64url")}`;
  await db.database.write(async (tx) => {
    const id = random.uuid();
    await insertPrincipal(tx, { id, name: "somebody", is_admin: false });
    await insertToken(tx, {
      id: random.uuid(),
      principal_id: id,
      name: "statements",
      token_hash: hashToken(token),
      expires_in_seconds: null,
    });
  });
  return token;
}

/** Nothing is under way any more. */
async function quiet(): Promise<void> {
  await eventually("no chat is driven", () => engine.worker.stats().runners === 0);
}

interface Cost {
  readonly statements: number;
  readonly roundTrips: number;
  readonly readTransactions: number;
  readonly writeTransactions: number;
  readonly operations: readonly string[];
}

/** Notifications go out after the commit, several in one statement; connections are made as the pool grows. */
const notCounted = new Set(["bus.notify", "connect"]);

async function costOf(work: () => Promise<void>, until = quiet): Promise<Cost> {
  const before = engine.database.stats.snapshot();
  await work();
  await until();
  const { operations } = diff(before, engine.database.stats.snapshot());
  const counted = Object.entries(operations).filter(([name]) => !notCounted.has(name));
  const sum = (key: keyof Counts): number =>
    counted.reduce((total, [, each]) => total + each[key], 0);
  expect(sum("rollbacks") + sum("retries")).toBe(0);
  return {
    statements: sum("statements"),
    roundTrips: sum("roundTrips"),
    readTransactions: sum("reads") + sum("singles"),
    writeTransactions: sum("writes"),
    operations: counted.map(([name]) => name).toSorted(),
  };
}

function plus(a: Cost, b: Cost): Cost {
  return {
    statements: a.statements + b.statements,
    roundTrips: a.roundTrips + b.roundTrips,
    readTransactions: a.readTransactions + b.readTransactions,
    writeTransactions: a.writeTransactions + b.writeTransactions,
    operations: [...new Set([...a.operations, ...b.operations])].toSorted(),
  };
}

const rows: [what: string, cost: Cost][] = [];

function row(what: string, cost: Cost): Cost {
  rows.push([what, cost]);
  return cost;
}

function table(): string {
  const head = ["", "statements", "round trips", "read transactions", "write transactions"];
  const lines = rows.map(([what, cost]) => [
    what,
    cost.statements,
    cost.roundTrips,
    cost.readTransactions,
    cost.writeTransactions,
  ]);
  const rule = head.map((_, at) => (at === 0 ? "---" : "---:"));
  return [head, rule, ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

async function turn(
  chatId: string,
  screen: Onlooker,
  content: string,
  messages: number,
): Promise<void> {
  const known = screen.transcript.messages.length;
  await client.sendMessage(chatId, { content });
  await screen.until(
    "the turn is over",
    (t) => settled(t) && t.messages.length === known + messages,
  );
}

test("what each operation costs, and that nobody pays for a stream twice", async () => {
  const rest = gate();
  models.enqueue(async (speaker) => {
    await speaker.wait(rest.promise);
    speaker.text("Hello there, whoever you are.");
    return "stop";
  });
  let chatId = "";
  const asked = models.requests.length + 1;
  const busy = async (): Promise<void> => void (await models.request(asked));
  const created = await costOf(async () => {
    chatId = (await client.createChat({ content: "Hello.", model: "test/model" })).chat.id;
  }, busy);
  const first = onlooker(client, chatId);
  const subscribed = await costOf(
    async () => void (await first.until("ready", (t) => t.ready)),
    busy,
  );
  const answered = await costOf(async () => {
    rest.open();
    await first.until("the turn is over", settled);
  });
  const plain = row("create a chat and answer it", plus(created, answered));
  expect(first.events.filter(({ type }) => type === "message_part").length).toBeGreaterThan(4);
  expect(plain.writeTransactions).toBeLessThanOrEqual(4);
  // What was streamed, and the committed message after it, came without asking the database for anything.
  expect(answered.readTransactions).toBe(0);
  expect(plain.readTransactions).toBe(0);

  models.enqueue(says("And more."));
  const followUp = row(
    "a message and its reply in a chat that exists",
    await costOf(async () => await turn(chatId, first, "More?", 2)),
  );
  expect(followUp.writeTransactions).toBeLessThanOrEqual(4);
  expect(followUp.readTransactions).toBe(0);

  models.enqueue(calls(["call-1", "look"], ["call-2", "look"]), says("Done."));
  const tools = await costOf(async () => await turn(chatId, first, "Use tools.", 4));
  row("the same with a step of two tools", tools);
  expect(tools.readTransactions).toBe(0);

  models.enqueue(calls(["call-3", "pay"]), says("Paid."));
  const once = await costOf(async () => await turn(chatId, first, "Pay.", 4));
  row("the same with a tool that must not run twice", once);
  expect(once.readTransactions).toBe(0);

  models.enqueue(hangs("I was going to say "));
  const interrupted = await costOf(async () => {
    await client.sendMessage(chatId, { content: "Go on." });
    await first.until("it speaks", (t) => previewText(t).endsWith("say "));
    await client.interrupt(chatId);
    await first.until("it has stopped", settled);
  });
  row("a message whose reply is interrupted", interrupted);
  expect(interrupted.readTransactions).toBe(0);

  row("the first subscriber of a chat here", subscribed);
  expect(subscribed.writeTransactions).toBe(0);

  const second = onlooker(client, chatId);
  const another = row(
    "one more subscriber",
    await costOf(async () => void (await second.until("ready", (t) => t.ready))),
  );
  expect(another.readTransactions).toBeLessThanOrEqual(2);
  expect(another.writeTransactions).toBe(0);
  expect(second.transcript.messages).toEqual(first.transcript.messages);

  // After an interruption the history is read once more.
  models.enqueue(says("Back to it."));
  await turn(chatId, first, "Go on then.", 2);

  models.enqueue(says("For both of you."));
  const known = first.transcript.messages.length;
  const forTwo = await costOf(async () => {
    await turn(chatId, first, "For two?", 2);
    await second.until("the same turn", (t) => settled(t) && t.messages.length === known + 2);
  });
  row("a message and its reply, with two subscribers", forTwo);
  expect(forTwo).toEqual(followUp);

  const { cursor } = second.events.at(-1) ?? {};
  await second.close();
  models.enqueue(says("Missed by one."));
  await turn(chatId, first, "Still there?", 2);
  const back = onlooker(client, chatId, { cursor });
  const reconnected = row(
    "a reconnect with a cursor, one turn later",
    await costOf(async () => void (await back.until("ready", (t) => t.ready))),
  );
  expect(reconnected.readTransactions).toBeLessThanOrEqual(2);
  expect(back.transcript.messages).toHaveLength(2);

  await Promise.all([first.close(), back.close()]);
  await eventually("the server has noticed", async () => {
    const metrics = await fetch(`${engine.url}/metrics`);
    return /^parley_subscribers 0$/m.test(await metrics.text());
  });
  const alone = onlooker(client, chatId, { cursor });
  row(
    "the same where nobody else follows the chat",
    await costOf(async () => void (await alone.until("ready", (t) => t.ready))),
  );
  await alone.close();

  // oxlint-disable-next-line no-console -- printing it is half of what this test is for
  console.log(`\n${table()}\n`);
  const page = new URL("../../../docs/performance.md", import.meta.url);
  const documented = readFileSync(page, "utf8");
  if (process.env["PARLEY_TEST_UPDATE"] === "true") {
    writeFileSync(page, documented.replace(/^\|[^]*?\|$(?!\n\|)/m, table()));
    return;
  }
  expect(documented, "docs/performance.md is current").toContain(table());
});

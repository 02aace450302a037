import { expect, test, type TestContext } from "vitest";
import { createEngines, type Engines, type RunningEngine } from "./engines.ts";
import { certificateAuthority, certificateFor, type Certificate } from "./certificates.ts";
import { eventually } from "./eventually.ts";
import { previewText, settled } from "./follow.ts";
import {
  expectEqualToDatabase,
  expectSoundStream,
  onlooker,
  textOf,
  type Onlooker,
} from "./onlooker.ts";
import { gate } from "./provider-server.ts";
import { failure, type Script } from "./scripted-models.ts";

/** Whole replicas, in one process, on their bad days: wrong secrets, wrong addresses, wrong clocks, other versions. */

async function enginesOf({ onTestFinished }: TestContext): Promise<Engines> {
  const engines = await createEngines();
  onTestFinished(async () => await engines.close());
  return engines;
}

function watching(
  { onTestFinished }: TestContext,
  { client }: RunningEngine,
  chatId: string,
): Onlooker {
  const screen = onlooker(client, chatId);
  onTestFinished(async () => await screen.close());
  return screen;
}

async function create({ client }: RunningEngine): Promise<string> {
  return (await client.createChat({ content: "Go.", model: "test/model" })).chat.id;
}

/** A reply in two halves; the second waits for the gate. */
function halves(opened: Promise<unknown>): Script {
  return async (speaker) => {
    speaker.text("first half ");
    await speaker.wait(opened);
    speaker.text("second half");
  };
}

async function expectConverged(
  { client }: RunningEngine,
  chatId: string,
  screens: readonly Onlooker[],
): Promise<void> {
  for (const screen of screens) {
    await screen.until("the end of the turn", (t) => settled(t) && t.messages.length > 1);
    await expectEqualToDatabase(client, chatId, screen);
    expectSoundStream(screen.events);
  }
}

const liveText = ({ events }: Onlooker): boolean =>
  events.some(({ type }) => type === "message_part" || type === "preview_snapshot");

/** Text that came over a link. What a checkpoint kept may be shown without one, as a snapshot. */
const linkedText = ({ events }: Onlooker): boolean =>
  events.some(({ type }) => type === "message_part");

/** A chat driven by `owner` and watched at `elsewhere`: it converges by its commits, with or without a link. */
async function watchedElsewhere(
  context: TestContext,
  owner: RunningEngine,
  elsewhere: RunningEngine,
  link: "works" | "fails" = "works",
): Promise<Onlooker> {
  const go = gate();
  owner.models.enqueue(halves(go.promise));
  const chatId = await create(owner);
  const here = watching(context, owner, chatId);
  const there = watching(context, elsewhere, chatId);
  await here.until("the first half", (t) => previewText(t) !== "");
  await there.until("that it runs", (t) => t.ready && t.status?.status === "running");
  await eventually("a link was tried", () =>
    link === "works" ? liveText(there) : failed(elsewhere) !== undefined,
  );
  go.open();
  await expectConverged(owner, chatId, [here, there]);
  expect(liveText(here)).toBe(true);
  return there;
}

const failed = ({ log }: RunningEngine): string | undefined =>
  log.find((line) => line.includes("a relay link failed"));

test("live text comes from the owner's replica, whichever it is", async (context) => {
  const engines = await enginesOf(context);
  const [one, other] = [await engines.start(), await engines.start()];
  expect(liveText(await watchedElsewhere(context, one, other))).toBe(true);
  expect(liveText(await watchedElsewhere(context, other, one))).toBe(true);
});

test("no bus at all: local subscribers see no duplicates and nothing missing", async (context) => {
  const engines = await enginesOf(context);
  const alone = await engines.start({ env: { PARLEY_SINGLE: "true" } });
  const go = gate();
  alone.models.enqueue(halves(go.promise));
  const chatId = await create(alone);
  const screens = [1, 2, 3].map(() => watching(context, alone, chatId));
  for (const screen of screens) await screen.until("the first half", (t) => previewText(t) !== "");
  await alone.client.sendMessage(chatId, { content: "And then?" });
  go.open();
  for (const screen of screens) {
    await screen.until("both turns are over", (t) => settled(t) && t.messages.length === 4);
  }
  await expectConverged(alone, chatId, screens);
});

test("a peer's secret is wrong: no live text, it is logged, and the chat converges by its commits", async (context) => {
  const engines = await enginesOf(context);
  const env = { PARLEY_RELAY_SECRET: "one secret of thirty-two characters!".replaceAll(" ", "-") };
  const wrong = { PARLEY_RELAY_SECRET: env.PARLEY_RELAY_SECRET.replace("one", "two") };
  const [owner, other] = [await engines.start({ env }), await engines.start({ env: wrong })];
  const there = await watchedElsewhere(context, owner, other, "fails");
  expect(linkedText(there)).toBe(false);
  expect(failed(other)).toMatch(/relay_refused/);
});

test("a peer's certificate is wrong: the same", async (context) => {
  const engines = await enginesOf(context);
  const authority = certificateAuthority("replicas");
  const strangers = certificateAuthority("replicas");
  const tls = async (name: string, by: Certificate): Promise<Record<string, string>> => {
    const { cert, key } = certificateFor(name, by);
    return {
      PARLEY_RELAY_TLS_CA: await engines.file(`${name}-ca.pem`, authority.cert),
      PARLEY_RELAY_TLS_CERT: await engines.file(`${name}.pem`, cert),
      PARLEY_RELAY_TLS_KEY: await engines.file(`${name}-key.pem`, key),
    };
  };
  const owner = await engines.start({ env: await tls("owner", authority) });
  const friend = await engines.start({ env: await tls("friend", authority) });
  const stranger = await engines.start({ env: await tls("stranger", strangers) });
  expect(liveText(await watchedElsewhere(context, owner, friend))).toBe(true);
  expect(linkedText(await watchedElsewhere(context, owner, stranger, "fails"))).toBe(false);
  expect(failed(stranger)).toBeDefined();
});

test("two replicas are given the same advertised address: each serves only its own, and every chat converges", async (context) => {
  const engines = await enginesOf(context);
  const owner = await engines.start();
  const [row] = await engines.database.database.one<{ relay_url: string }>(
    { name: "test:relay-url", text: "select relay_url from parley.workers", values: [] },
    { operation: "test" },
  );
  const misled = await engines.start({ env: { PARLEY_RELAY_URL: row?.relay_url ?? "" } });
  const third = await engines.start();
  expect(liveText(await watchedElsewhere(context, owner, third))).toBe(true);
  // Who asks for the text of the misled one meets another worker at that address, and takes nothing from it.
  expect(linkedText(await watchedElsewhere(context, misled, third, "fails"))).toBe(false);
  expect(failed(third)).toMatch(/relay_wrong_worker/);
  expect(liveText(await watchedElsewhere(context, owner, misled))).toBe(true);
});

test("the clocks of the replicas differ by an hour: the database's time rules", async (context) => {
  const engines = await enginesOf(context);
  const hour = 3_600_000;
  const late = await engines.start({ clockOffMs: -hour });
  const early = await engines.start({ clockOffMs: hour });
  expect(liveText(await watchedElsewhere(context, late, early))).toBe(true);
  expect(liveText(await watchedElsewhere(context, early, late))).toBe(true);

  // A retry's back-off, begun on one and seen on the other.
  late.models.enqueue(async () => {
    await Promise.reject(failure("overloaded"));
  });
  const retried = await create(late);
  const screen = watching(context, early, retried);
  await expectConverged(late, retried, [screen]);
  expect(late.models.requests.length).toBeGreaterThan(1);

  // Nobody is held for dead, and whoever is dead is noticed as soon as ever.
  late.models.enqueue(async (speaker) => {
    speaker.text("half");
    await speaker.hang();
  });
  const orphan = await create(late);
  const watcher = watching(context, early, orphan);
  await watcher.until("the first half", (t) => previewText(t) === "half");
  await late.replica.worker.kill();
  const killed = performance.now();
  await expectConverged(early, orphan, [watcher]);
  expect(performance.now() - killed).toBeLessThan(15_000);
  const lines = [...late.log, ...early.log].filter((line) =>
    line.includes("held this worker for dead"),
  );
  expect(lines).toEqual([]);
  expect(textOf(watcher.transcript.messages[1])).toBe("ok");
});

test("the next version has added columns to the tables: running replicas go on", async (context) => {
  const engines = await enginesOf(context);
  const [owner, other] = [await engines.start(), await engines.start()];
  const go = gate();
  owner.models.enqueue(halves(go.promise));
  const chatId = await create(owner);
  const screens = [watching(context, owner, chatId), watching(context, other, chatId)];
  for (const screen of screens) await screen.until("the first half", (t) => previewText(t) !== "");
  const { database } = engines.database;
  await database.write(
    async (tx) =>
      await tx.exec(`
        alter table parley.chats add column next_version text;
        alter table parley.chat_messages add column next_version text not null default 'x';
        alter table parley.chat_queue add column next_version integer;
        alter table parley.workers add column next_version jsonb;
        alter table parley.episode_checkpoints add column next_version text;
        alter table parley.tool_executions add column next_version text;
        alter table parley.api_tokens add column next_version text`),
    { operation: "test" },
  );
  await other.client.sendMessage(chatId, { content: "And then?" });
  go.open();
  for (const screen of screens) {
    await screen.until("both turns are over", (t) => settled(t) && t.messages.length === 4);
    expect(screen.connections.filter(({ phase }) => phase === "open")).toHaveLength(1);
  }
  await expectConverged(owner, chatId, screens);
});

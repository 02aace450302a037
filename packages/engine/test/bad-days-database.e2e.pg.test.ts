import { createClient } from "@parley/client";
import { describe, expect, test, type TestContext } from "vitest";
import { createDatabaseProxy, type DatabaseProxy } from "./database-proxy.ts";
import { eventually } from "./eventually.ts";
import { previewText, settled } from "./follow.ts";
import {
  expectEqualToDatabase,
  expectSoundStream,
  onlooker,
  textOf,
  type Onlooker,
} from "./onlooker.ts";
import { gate, textScript } from "./provider-server.ts";
import { rigOf, type Rig } from "./rig.ts";

/** The database goes away while a reply is being generated, and comes back. */

const wire = "openai-chat";
const model = "openai-chat/scripted";

interface Outage {
  readonly rig: Rig;
  readonly proxy: DatabaseProxy;
  readonly chatId: string;
  readonly screen: Onlooker;
  /** Lets the next piece of the reply come. */
  readonly next: () => void;
}

const pieces = ["before, ", "while it is away, ", "and after."];

/** A reply that has begun when the database is still there; each further piece waits to be let through. */
async function midReply(context: TestContext): Promise<Outage> {
  const proxies: DatabaseProxy[] = [];
  const rig = await rigOf(context, {
    through: async ({ settings }) => {
      const proxy = await createDatabaseProxy(settings);
      proxies.push(proxy);
      return proxy.settings;
    },
  });
  const [proxy] = proxies as [DatabaseProxy];
  const gates = [gate(), gate()];
  rig.provider.enqueue(
    wire,
    textScript(wire, pieces, { 1: gates[0]!.promise, 2: gates[1]!.promise }),
  );
  const { chat } = await rig.client.createChat({ content: "Go.", model });
  const screen = onlooker(rig.client, chat.id);
  context.onTestFinished(async () => {
    await screen.close();
    proxy.restore();
    await proxy.close();
  });
  await screen.until("the first piece is on the screen", (t) => previewText(t) === pieces[0]);
  const waiting = [...gates];
  return { rig, proxy, chatId: chat.id, screen, next: () => waiting.shift()?.open() };
}

/** The reply has ended as it should, and the chat goes on. */
async function expectRecovered({ rig, chatId, screen }: Outage): Promise<void> {
  await screen.until("the reply is whole", settled);
  const messages = await expectEqualToDatabase(rig.client, chatId, screen);
  expect(messages.map(textOf)).toEqual(["Go.", pieces.join("")]);
  expect(messages[1]?.finish_reason).toBe("stop");
  expectSoundStream(screen.events);
  // The model was not asked a second time: nothing that it said was lost.
  expect(rig.provider.requests).toHaveLength(1);
  await eventually("it is ready again", async () => (await ready(rig)).status === 200);
  await rig.client.sendMessage(chatId, { content: "And now?" });
  await screen.until("the next turn is over", (t) => settled(t) && t.messages.length === 4);
  await expectEqualToDatabase(rig.client, chatId, screen);
}

async function ready({ server }: Rig): Promise<{ status: number; checks: Record<string, string> }> {
  const answer = await fetch(`${server.url}/readyz`);
  const { checks } = (await answer.json()) as { checks: Record<string, string> };
  return { status: answer.status, checks };
}

describe.concurrent("a database that goes away in mid-reply", () => {
  test("for ten seconds: the stream goes on, calls are answered 503, and the reply ends well", async (context) => {
    const outage = await midReply(context);
    const { rig, proxy, screen, chatId, next } = outage;
    const { url, token } = rig.server;
    const body = JSON.stringify({ content: "Later.", client_id: "asked during the outage" });
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };

    const until = performance.now() + 10_000;
    proxy.goAway();
    next();
    await screen.until(
      "the piece said meanwhile",
      (t) => previewText(t) === pieces.slice(0, 2).join(""),
    );
    next();
    await screen.until("the last piece", (t) => previewText(t) === pieces.join(""));
    let asked = 0;
    /* oxlint-disable no-await-in-loop */
    for (; performance.now() < until; asked++) {
      const path = asked % 2 === 0 ? `/api/v1/chats/${chatId}/messages` : "/api/v1/chats";
      const sent = performance.now();
      const answer = await fetch(`${url}${path}`, { method: "POST", headers, body });
      expect(await answer.json()).toMatchObject({ code: "database_unavailable", status: 503 });
      expect(answer.status).toBe(503);
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(performance.now() - sent).toBeLessThan(6_000);
      expect(await ready(rig)).toMatchObject({ status: 503, checks: { database: "unavailable" } });
      // A load balancer must not restart what only waits.
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      await eventually("a moment has passed", nextLook());
    }
    /* oxlint-enable no-await-in-loop */
    expect(asked).toBeGreaterThan(3);
    expect(screen.connections.map(({ phase }) => phase)).toEqual(["connecting", "open"]);
    proxy.restore();

    await expectRecovered(outage);
    // Over all of that, one connection: nobody had to reconnect.
    expect(screen.connections.map(({ phase }) => phase)).toEqual(["connecting", "open"]);
  });

  test("without a word, as a network that has gone silent does", async (context) => {
    const outage = await midReply(context);
    const { rig, proxy, screen, next } = outage;
    proxy.goSilent();
    next();
    await screen.until(
      "the piece said meanwhile",
      (t) => previewText(t) === pieces.slice(0, 2).join(""),
    );
    expect(await ready(rig)).toMatchObject({ status: 503, checks: { database: "unavailable" } });
    next();
    await screen.until("the last piece", (t) => previewText(t) === pieces.join(""));
    proxy.restore();
    await expectRecovered(outage);
  });

  test("exactly when the reply has been committed, before the answer to that", async (context) => {
    const outage = await midReply(context);
    const { rig, proxy, chatId, screen, next } = outage;
    next();
    await screen.until("the second piece", (t) => previewText(t) === pieces.slice(0, 2).join(""));
    // Else it could be the checkpoint's commit whose answer is lost.
    await rig.checkpointed(chatId, screen.transcript.preview?.seq ?? Infinity);
    proxy.loseNextCommitAnswer();
    next();
    await expectRecovered(outage);
    expect(rig.server.output()).toContain("lost a database connection");
  });

  test("and a message that was sent meanwhile with a key takes effect once", async (context) => {
    const { rig, proxy, chatId, screen, next } = await midReply(context);
    const patient = createClient({
      baseUrl: rig.server.url,
      token: rig.server.token,
      retriesMax: 20,
    });
    proxy.goAway();
    const sent = patient.sendMessage(chatId, { content: "Queued?", client_id: "once" });
    const again = patient.sendMessage(chatId, { content: "Queued?", client_id: "once" });
    await eventually("it is not ready", async () => (await ready(rig)).status === 503);
    proxy.restore();
    expect(await sent).toEqual(await again);
    next();
    next();
    await screen.until("both turns are over", (t) => settled(t) && t.messages.length === 4);
    const messages = await expectEqualToDatabase(rig.client, chatId, screen);
    expect(messages.map(textOf)).toEqual(["Go.", pieces.join(""), "Queued?", expect.any(String)]);
    expectSoundStream(screen.events);
  });
});

/** True at the second look. */
function nextLook(): () => boolean {
  let looks = 0;
  return () => ++looks > 10;
}

import { createClient } from "@parley/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServerProcess, type ServerProcess } from "../../engine/test/server-process.ts";
import { Conversation, Watched } from "./conversation.ts";
import { startSharedDatabase, type SharedDatabase } from "./database.ts";
import { useRig } from "./rig.ts";

/** Servers come and go under an open page. */

let database: SharedDatabase;
const others: ServerProcess[] = [];
const rig = useRig({ env: async () => ({ PARLEY_DATABASE_URL: (await shared()).url }) });
let starting: Promise<SharedDatabase> | undefined;
const shared = async (): Promise<SharedDatabase> => {
  starting ??= startSharedDatabase();
  return (database = await starting);
};
beforeAll(shared);
afterAll(async () => {
  for (const server of others) server.kill("SIGKILL");
  await Promise.all(others.map(({ exited }) => exited));
  await database?.stop();
});

async function another(port?: number): Promise<ServerProcess> {
  const server = await startServerProcess({
    ...(port === undefined ? {} : { port }),
    env: { PARLEY_WEB: "true", PARLEY_DATABASE_URL: database.url },
  });
  others.push(server);
  return server;
}

test("a page follows a chat that another server drives, and stops it", async () => {
  const owner = await another();
  const there = createClient({ baseUrl: owner.url, token: owner.token });
  const { chat: made } = await there.createChat({ content: "long" });
  const chat = new Conversation(await rig.page({ path: `/chats/${made.id}` }));
  await chat.sees("Section 1");
  await chat.sees("Section 2");
  await chat.stop();
  await chat.sees("Stopped. What was said is kept.");
  expect(await chat.replies.count()).toBe(1);
});

test("when the server that drives a chat dies, the page goes on, and no text vanishes for good", async () => {
  const owner = await another();
  const there = createClient({ baseUrl: owner.url, token: owner.token });
  const { chat: made } = await there.createChat({ content: "long" });
  const chat = new Conversation(await rig.page({ path: `/chats/${made.id}` }));
  await chat.sees("Section 2");
  owner.kill("SIGKILL");
  await owner.exited;
  // Another has taken over, and says it anew: one reply, from its beginning to its end.
  await chat.sees("Section 4");
  expect(await chat.replies.count()).toBe(1);
  await chat.stop();
  await chat.sees("Stopped. What was said is kept.");
});

test("a server that is killed and started again finds its page where it was", async () => {
  const mine = await another();
  const page = await rig.pageOf(mine);
  rig.allow(
    page,
    /ERR_CONNECTION_REFUSED|WebSocket connection|ERR_CONNECTION_RESET|Failed to load/,
  );
  const chat = new Conversation(page);
  await chat.begin("a question that is answered");
  await chat.settled();
  await chat.say("long");
  await chat.sees("Section 2");
  // What was said is kept once a second: before that, a reply begins anew.
  const id = new URL(page.url()).pathname.split("/").at(-1);
  const kept = "select from parley.episode_checkpoints where chat_id = $1";
  await expect.poll(() => database.query(kept, [id]), { timeout: 60_000 }).not.toHaveLength(0);
  const watched = await Watched.start(page);
  mine.kill("SIGKILL");
  await mine.exited;
  await page.getByText("Connection lost. Reconnecting; nothing is lost.").waitFor();
  // What was said stays where it was read.
  await chat.sees("a question that is answered");
  await chat.sees("Section 2");
  await another(mine.port);
  await page
    .getByText("Connection lost. Reconnecting; nothing is lost.")
    .waitFor({ state: "detached" });
  await chat.sees("Section 4");
  // It stands there, or is said anew from its beginning, of which a part may have been drawn: never from its middle.
  const heading = "A long reply";
  const shown = (await watched.texts()).map((text) => text.replace(/^Thinking…|^Thoughts/, ""));
  const strange = shown.filter((text) => !text.includes(heading) && !heading.startsWith(text));
  expect(strange).toEqual([]);
  expect(await chat.log.getByRole("heading", { name: "A long reply" }).count()).toBe(1);
  await chat.stop();
  await chat.sees("Stopped. What was said is kept.");
});

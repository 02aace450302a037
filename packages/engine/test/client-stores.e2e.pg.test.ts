import {
  createClient,
  storesOf,
  systemRuntime,
  type ChatState,
  type ChatStore,
  type Client,
} from "@parley/client";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { createEngines, type Engines, type RunningEngine } from "./engines.ts";
import { gate } from "./provider-server.ts";
import { calls, says } from "./scripted-models.ts";

/** The client's stores, as the React hooks use them, on whole replicas: everything is real but the model. */

let engines: Engines;
let engine: RunningEngine;
const pages: Client[] = [];

beforeAll(async () => {
  engines = await createEngines();
  engine = await engines.start();
});
afterEach(() => {
  for (const page of pages.splice(0)) storesOf(page).close();
});
afterAll(() => engines.close());

/** A page of its own: nothing is shared with another but the server. */
function openPage(runtime = systemRuntime): Client {
  const page = createClient(
    { baseUrl: engine.replica.url, token: engine.token, runtime },
    { backoffMsMin: 20, backoffMsMax: 100 },
  );
  pages.push(page);
  return page;
}

/** Follows a chat and keeps everything that it has shown. */
function follow(page: Client, chatId: string): { store: ChatStore; states: ChatState[] } {
  const store = storesOf(page).chat(chatId);
  const states: ChatState[] = [];
  store.subscribe(() => states.push(store.getState()));
  return { store, states };
}

async function until<S>(
  store: { getState(): S; subscribe(listener: () => void): () => void },
  holds: (state: S) => boolean,
): Promise<S> {
  return await new Promise((resolve) => {
    const look = () => {
      const state = store.getState();
      if (!holds(state)) return;
      resolve(state);
      queueMicrotask(() => leave());
    };
    const leave = store.subscribe(look);
    look();
  });
}

const isIdle = ({ transcript }: ChatState) =>
  transcript.ready && transcript.status?.status === "waiting";
const said = ({ transcript }: ChatState) =>
  transcript.messages.map(({ parts }) =>
    parts.map((part) => ("text" in part ? part.text : part.type)).join(""),
  );

it("shows every message once, from its sending through the queue to the history", async () => {
  const page = openPage();
  const go = gate();
  engine.models.enqueue(
    async (speaker) => {
      speaker.text("Working on it.");
      await speaker.wait(go.promise);
    },
    says("Second."),
    says("Third."),
  );
  const { chat } = await page.createChat({ content: "First question" });
  const { store, states } = follow(page, chat.id);
  await until(store, ({ transcript }) => transcript.preview !== null);
  states.length = 0;
  await Promise.all([
    store.send({ content: "second question" }),
    store.send({ content: "third question", when_busy: "queue" }),
  ]);
  await until(store, ({ transcript, pending }) => {
    return transcript.queue.length === 2 && pending.length === 0;
  });
  go.open();
  const last = await until(store, (state) => isIdle(state) && state.transcript.queue.length === 0);
  expect(last.transcript.messages).toHaveLength(6);
  expect(last.pending).toEqual([]);
  for (const state of states) {
    const { messages, queue } = state.transcript;
    const names = [...messages, ...queue, ...state.pending].map(({ client_id }) => client_id);
    const own = names.filter((name) => name !== null);
    expect(new Set(own).size, own.join()).toBe(own.length);
  }
  // From its first appearance on no message is ever gone.
  const known = new Set<string>();
  for (const { transcript, pending } of states) {
    const rows = [...transcript.messages, ...transcript.queue, ...pending];
    const names = new Set(rows.map(({ client_id }) => client_id));
    for (const name of known) expect(names.has(name), `${name} is shown`).toBe(true);
    for (const name of names) if (name !== null) known.add(name);
  }
  const stored = await page.listMessages(chat.id);
  expect(last.transcript.messages).toEqual(stored.messages);
});

it("keeps what is on the screen when the server is started anew in mid-stream, and shows the end of it", async () => {
  const port = String(new URL(engine.replica.url).port);
  const page = openPage();
  engine.models.enqueue(async (speaker) => {
    speaker.text("One two three");
    await speaker.hang();
  });
  const { chat } = await page.createChat({ content: "Count." });
  const { store, states } = follow(page, chat.id);
  await until(store, ({ transcript }) => transcript.preview !== null);
  states.length = 0;
  await engine.stop();
  await until(store, ({ connection }) => connection === "reconnecting");
  engine = await engines.start({ env: { PARLEY_PORT: port } });
  engine.models.enqueue(says("One two three four."));
  await until(store, (state) => isIdle(state) && state.transcript.messages.length === 2);
  expect(said(store.getState())).toEqual(["Count.", "One two three four."]);
  for (const { transcript } of states) {
    expect(transcript.messages.length).toBeGreaterThan(0);
    const text = said(store.getState()).length;
    const isSaid = transcript.preview !== null || transcript.messages.length === text;
    expect(isSaid, "a reply is on the screen").toBe(true);
  }
});

it("keeps lists as the server has them", async () => {
  const page = openPage();
  const list = storesOf(page).chats({ label: "kind:list" });
  list.subscribe(() => {});
  await until(list, ({ ready, connection }) => ready && connection === "live");
  const labels = { kind: "list" };
  const made = [];
  for (const title of ["one", "two", "three"]) {
    engine.models.enqueue(says("Yes."));
    // oxlint-disable-next-line no-await-in-loop
    made.push((await page.createChat({ content: title, title, labels })).chat);
  }
  await until(list, ({ chats }) => {
    return chats.length === 3 && chats.every(({ status }) => status === "waiting");
  });
  const titles = () => list.getState().chats.map(({ title }) => title);
  expect(titles()).toEqual(["three", "two", "one"]);
  const [one, two, three] = made;
  engine.models.enqueue(says("Again."));
  await page.sendMessage(one!.id, { content: "more" });
  await page.title(two!.id, "second");
  await page.patchChat(three!.id, { archived: true });
  await until(list, ({ chats }) => {
    return chats.length === 2 && chats.every(({ status }) => status === "waiting");
  });
  await until(list, ({ chats }) => chats.some(({ title }) => title === "second"));
  expect(titles()).toEqual(["one", "second"]);
  await page.deleteChat(two!.id);
  await until(list, ({ chats }) => chats.length === 1);
  const { chats } = await page.listChats({ label: "kind:list" });
  expect(list.getState().chats).toEqual(chats);
});

it("says of a chat that is deleted elsewhere that it is, and leaves it readable", async () => {
  const page = openPage();
  engine.models.enqueue(says("Soon gone."));
  const { chat } = await page.createChat({ content: "Hello." });
  const { store } = follow(page, chat.id);
  await until(store, isIdle);
  await openPage().deleteChat(chat.id);
  const { ended, transcript } = await until(store, ({ connection }) => connection === "ended");
  expect(ended).toMatchObject({ reason: "chat_deleted" });
  expect(transcript.messages).toHaveLength(2);
});

it.each([
  ["pages that know nothing of each other: both run it, and the first result wins", undefined, 2],
  ["two pages of one browser: one of them runs it", systemRuntime.exclusive, 1],
])("answers a call of a client tool once, from %s", async (_, exclusive, runsCount) => {
  engine.models.enqueue(calls(["call", "locate", { of: "me" }]), says("You are there."));
  const tabs = [
    openPage({ ...systemRuntime, exclusive }),
    openPage({ ...systemRuntime, exclusive }),
  ];
  const tool = { name: "locate", input_schema: { type: "object" } };
  const { chat } = await openPage().createChat({ content: "Where am I?", client_tools: [tool] });
  const rejections: unknown[] = [];
  const onRejection = (error: unknown) => void rejections.push(error);
  process.on("unhandledRejection", onRejection);
  let runs = 0;
  const both = gate();
  for (const tab of tabs) {
    storesOf(tab)
      .chat(chat.id)
      .answerTools(() => ({
        locate: async () => {
          runs += 1;
          const own = runs;
          if (runs === runsCount) both.open();
          // Where both run it, neither is to have answered before the other has begun.
          await both.promise;
          return { place: `tab ${own}` };
        },
      }));
  }
  const stores = tabs.map((tab) => storesOf(tab).chat(chat.id));
  const states = await Promise.all(
    stores.map((store) => until(store, (s) => isIdle(s) && s.transcript.messages.length === 4)),
  );
  process.off("unhandledRejection", onRejection);
  expect(runs).toBe(runsCount);
  expect(rejections).toEqual([]);
  const results = states.map(({ transcript }) =>
    transcript.messages.flatMap(({ parts }) => parts.filter(({ type }) => type === "tool-result")),
  );
  expect(results[0]).toHaveLength(1);
  expect(results[0]).toEqual(results[1]);
  expect(results[0]?.[0]).toMatchObject({ is_error: false, output: { place: expect.any(String) } });
});

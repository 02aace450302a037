import type { Chat, WatchEvent } from "@parley/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { chat, ready } from "../../test/events.ts";
import { startStoreWorld, until, type StoreWorld } from "../../test/store-world.ts";
import { problem, type ServerStream } from "../../test/stream-server.ts";
import type { ChatListFilter } from "./list-filter.ts";
import type { ChatListState } from "./list-state.ts";
import type { ListStore } from "./list-store.ts";

let world: StoreWorld;

beforeEach(async () => {
  world = await startStoreWorld();
});
afterEach(() => world.close());

/** The chat whose last message came in that minute, as of a version. */
function one(minute: number, version = 1, more: Partial<Chat> = {}): Chat {
  const last_message_at = new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
  const id = named(minute);
  return chat({ id, root_chat_id: id, snapshot_version: version, last_message_at, ...more });
}

const named = (n: number) => `0199d2a0-0000-7000-8000-${String(n).padStart(12, "0")}`;
const told = (data: Chat): WatchEvent => ({ type: "chat", data });
const gone = (n: number): WatchEvent => ({ type: "chat_deleted", data: { id: named(n) } });
const reset: WatchEvent = { type: "list_reset", data: {} };
const shown = ({ chats }: ChatListState) => chats.map(({ id }) => Number(id.slice(-12)));

interface Opened {
  list: ListStore;
  stream: ServerStream;
  states: ChatListState[];
}

/** A list over the given first page, with its stream open. */
async function open(
  filter: ChatListFilter,
  page: readonly Chat[],
  next_cursor: string | null = null,
): Promise<Opened> {
  const list = world.stores.chats(filter);
  const states: ChatListState[] = [];
  list.subscribe(() => states.push(list.getState()));
  const stream = await world.server.stream();
  stream.send([reset, ...page.map(told), ready]);
  (await world.call()).answer({ chats: page, next_cursor });
  await until(list, (state) => state.ready);
  states.length = 0;
  return { list, stream, states };
}

describe("a list", () => {
  it("of pinned chats takes up what is pinned, and lets go of what is not any more", async () => {
    const { list, stream } = await open({ pinned: "true" }, [one(1, 1, { pinned: true })]);
    stream.send([told(one(3, 1)), told(one(2, 1, { pinned: true }))]);
    await until(list, (state) => state.chats.length === 2);
    expect(shown(list.getState())).toEqual([2, 1]);
    stream.send([told(one(1, 2, { pinned: false, metadata_version: 9 }))]);
    await until(list, (state) => state.chats.length === 1);
    expect(shown(list.getState())).toEqual([2]);
  });

  it("is the server's page, kept up to date in the server's order", async () => {
    const { list, stream } = await open({}, [one(3), one(2), one(1)]);
    expect(shown(list.getState())).toEqual([3, 2, 1]);
    expect(list.getState()).toMatchObject({ hasMore: false, connection: "live", error: null });
    const before = list.getState().chats;
    stream.send([told(one(2, 2, { title: "New title" }))]);
    await until(list, ({ chats }) => chats[1]?.title === "New title");
    expect(list.getState().chats[0]).toBe(before[0]);
    expect(list.getState().chats[2]).toBe(before[2]);
    stream.send([told(one(1, 2, { last_message_at: "2026-01-01T01:00:00.000Z" }))]);
    await until(list, (state) => shown(state)[0] === 1);
    stream.send([told(one(50)), gone(3)]);
    expect(shown(await until(list, (state) => shown(state).includes(50)))).toEqual([1, 50, 2]);
  });

  it("takes nothing older than what it shows, whichever of stream and page comes first", async () => {
    const list = world.stores.chats();
    list.subscribe(() => {});
    const stream = await world.server.stream();
    const page = await world.call();
    stream.send([reset, told(one(2, 5)), told(one(1)), ready, gone(1)]);
    const probe = world.stores.chats({ archived: "all" });
    probe.subscribe(() => {});
    (await world.call()).answer({ chats: [], next_cursor: null });
    await until(probe, (state) => state.ready);
    page.answer({ chats: [one(2, 3), one(1)], next_cursor: null });
    await until(list, (state) => state.ready);
    expect(shown(list.getState())).toEqual([2]);
    expect(list.getState().chats[0]?.snapshot_version).toBe(5);
    stream.send([told(one(2, 4)), told(one(9))]);
    await until(list, (state) => shown(state).includes(9));
    expect(list.getState().chats.map((c) => c.snapshot_version)).toEqual([1, 5]);
  });

  it("misses no chat that was deleted between its page and the beginning of its stream", async () => {
    const list = world.stores.chats();
    list.subscribe(() => {});
    const stream = await world.server.stream();
    const page = [one(3), one(2), one(1)];
    (await world.call()).answer({ chats: page, next_cursor: null });
    await until(list, (state) => state.ready);
    stream.send([reset, told(one(3)), told(one(1)), ready]);
    expect(shown(await until(list, ({ chats }) => chats.length === 2))).toEqual([3, 1]);
  });

  it("shares one stream with every other list, and one store with those that ask for the same", async () => {
    const { list } = await open({ label: ["b", "a:1"] }, []);
    expect(world.stores.chats({ label: ["a:1", "b"] })).toBe(list);
    expect(world.stores.chats({ label: "b" })).not.toBe(list);
    world.stores.chats().subscribe(() => {});
    (await world.call()).answer({ chats: [], next_cursor: null });
    expect(world.server.requests.filter(({ path }) => path.includes("/watch"))).toHaveLength(1);
  });

  it("brings page after page, and leaves out what is beyond them", async () => {
    const { list, stream } = await open({}, [one(9), one(8)], "next");
    expect(list.getState().hasMore).toBe(true);
    stream.send([told(one(3, 2)), told(one(30))]);
    expect(shown(await until(list, (state) => shown(state).includes(30)))).toEqual([30, 9, 8]);
    const both = Promise.all([list.loadMore(), list.loadMore()]);
    const call = await world.call();
    expect(call.query.get("cursor")).toBe("next");
    expect(list.getState().loadingMore).toBe(true);
    call.answer({ chats: [one(3, 1), one(2)], next_cursor: null });
    await both;
    expect(shown(list.getState())).toEqual([30, 9, 8, 3, 2]);
    expect(list.getState()).toMatchObject({ hasMore: false, loadingMore: false });
    expect(list.getState().chats[3]?.snapshot_version).toBe(2);
    await list.loadMore();
  });
});

describe("a filter", () => {
  it("is part of the question", async () => {
    const filter: ChatListFilter = {
      label: ["a:1", "b"],
      archived: "all",
      status: "running",
      search: "  two   words ",
    };
    world.stores.chats(filter).subscribe(() => {});
    const { query } = await world.call();
    expect(query.getAll("label")).toEqual(["a:1", "b"]);
    expect(Object.fromEntries(query)).toMatchObject({
      archived: "all",
      status: "running",
      search: "two words",
    });
  });

  it.each<[string, ChatListFilter, Partial<Chat>, Partial<Chat>]>([
    ["archived", {}, {}, { archived: true }],
    ["archived", { archived: "true" }, { archived: true }, {}],
    ["a status", { status: "running" }, { status: "running" }, { status: "waiting" }],
    ["a label", { label: "team" }, { labels: { team: "x" } }, { labels: { other: "x" } }],
    ["a label's value", { label: "team:x" }, { labels: { team: "x" } }, { labels: { team: "y" } }],
  ])("of %s lets chats come and go", async (_, filter, inside, outside) => {
    const { list, stream } = await open(filter, [one(2, 1, inside)]);
    stream.send([told(one(5, 1, outside)), told(one(4, 1, inside))]);
    expect(shown(await until(list, ({ chats }) => chats.length === 2))).toEqual([4, 2]);
    stream.send([told(one(2, 2, outside))]);
    expect(shown(await until(list, ({ chats }) => chats.length === 1))).toEqual([4]);
    stream.send([told(one(2, 3, inside))]);
    expect(shown(await until(list, ({ chats }) => chats.length === 2))).toEqual([4, 2]);
  });

  it("by words asks again when something was said elsewhere, and not when a chat only works", async () => {
    const { list, stream } = await open({ search: "ghent" }, [one(2, 1, { turn_message_id: 1 })]);
    stream.send([told(one(2, 2, { status: "running", turn_message_id: 1 }))]);
    await until(list, ({ chats }) => chats[0]?.status === "running");
    expect(world.runtime.labels()).not.toContain("list refresh");
    stream.send([told(one(7, 1, { turn_message_id: 1 }))]);
    await world.runtime.fire("list refresh");
    const call = await world.call();
    expect(call.query.get("search")).toBe("ghent");
    call.answer({ chats: [one(7), one(2, 2)], next_cursor: null });
    expect(shown(await until(list, ({ chats }) => chats.length === 2))).toEqual([7, 2]);
    stream.send([told(one(8, 1, { turn_message_id: 2 }))]);
    await world.runtime.timerSet("list refresh");
  });

  it("of sub-agents looks at them again and again: they are in no stream", async () => {
    const parent = named(1);
    const list = world.stores.chats({ parent });
    list.subscribe(() => {});
    const child = (version: number) => one(2, version, { parent_chat_id: parent });
    const first = await world.call();
    expect(first.query.get("parent")).toBe(parent);
    first.answer({ chats: [child(1)], next_cursor: null });
    await until(list, (state) => state.ready);
    await world.runtime.fire("list refresh");
    (await world.call()).answer({ chats: [child(2)], next_cursor: null });
    await until(list, ({ chats }) => chats[0]?.snapshot_version === 2);
    await world.runtime.timerSet("list refresh");
  });
});

describe("a bad connection", () => {
  it("keeps the list, and goes on from the cursor", async () => {
    const { list, stream, states } = await open({}, [one(1)]);
    stream.send([{ ...told(one(2)), cursor: "w7" }]);
    await until(list, ({ chats }) => chats.length === 2);
    stream.end({ code: 4000, name: "reconnect" });
    await until(list, ({ connection }) => connection === "reconnecting");
    await world.runtime.fire("stream reconnect");
    const next = await world.server.stream();
    expect(next.url.searchParams.get("cursor")).toBe("w7");
    next.send([gone(1), ready]);
    expect(shown(await until(list, ({ chats }) => chats.length === 1))).toEqual([2]);
    expect(states.every(({ chats }) => chats.length > 0)).toBe(true);
  });

  it("tries a page again once the stream is back", async () => {
    const list = world.stores.chats();
    list.subscribe(() => {});
    const stream = await world.server.stream();
    (await world.call()).lose();
    await until(list, ({ error }) => error !== null);
    stream.end();
    await world.runtime.fire("stream reconnect");
    await world.server.stream();
    (await world.call()).answer({ chats: [one(1)], next_cursor: null });
    const state = await until(list, (s) => s.ready);
    expect(state).toMatchObject({ error: null });
  });

  it("reads its pages again when the server begins anew in mid-connection", async () => {
    const { list, stream } = await open({}, [one(3), one(2)]);
    stream.send([reset, told(one(3)), told(one(2))]);
    (await world.call()).answer({ chats: [one(3)], next_cursor: null });
    expect(shown(await until(list, ({ chats }) => chats.length === 1))).toEqual([3]);
  });

  it("leaves what has not changed the same objects when it reads its pages again", async () => {
    const list = world.stores.chats();
    list.subscribe(() => {});
    const stream = await world.server.stream();
    stream.send([reset, told(one(9)), ready]);
    // Older than what the stream begins with: known from pages alone.
    const page = [one(9), one(2), one(1)];
    (await world.call()).answer({ chats: page, next_cursor: null });
    const before = await until(list, (state) => state.ready);
    stream.send([reset, told(one(9))]);
    const again = [one(9), one(2, 2), one(1)];
    (await world.call()).answer({ chats: structuredClone(again), next_cursor: null });
    const after = await until(list, ({ chats }) => chats[1]?.snapshot_version === 2);
    expect(after.chats[0]).toBe(before.chats[0]);
    expect(after.chats[2]).toBe(before.chats[2]);
  });

  it("ends with the error of a token that is refused, and goes on when asked to", async () => {
    const { list, stream } = await open({}, [one(1)]);
    const { onRequest } = world.server;
    world.server.onRequest = (_, response) => problem(response, 401, "unauthorized");
    stream.end();
    await world.runtime.fire("stream reconnect");
    const state = await until(list, ({ connection }) => connection === "ended");
    expect(state.error).toMatchObject({ code: "unauthorized" });
    expect(shown(state)).toEqual([1]);
    world.server.onRequest = onRequest;
    list.reconnect();
    (await world.call()).answer({ chats: [one(1)], next_cursor: null });
    await until(list, ({ connection, error }) => connection === "live" && error === null);
  });
});

it("asks for the models once for all, and again for who comes later", async () => {
  const { models } = world.stores;
  const leave = [models.subscribe(() => {}), models.subscribe(() => {})];
  (await world.call()).answer({ models: [] });
  await until(models, (state) => state.ready);
  for (const one of leave) one();
  world.runtime.advance(10_000);
  models.subscribe(() => {});
  (await world.call()).refuse(500, "internal");
  const { error, ready: known } = await until(models, (state) => state.error !== null);
  expect(error).toMatchObject({ code: "internal" });
  expect(known).toBe(true);
});

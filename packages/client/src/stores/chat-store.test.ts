import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  chat,
  chatId,
  delta,
  episode,
  historyReset,
  message,
  ready,
  said,
  status,
  text,
  withCursors,
} from "../../test/events.ts";
import { ManualRuntime } from "../../test/manual-runtime.ts";
import { startStoreWorld, until, type StoreWorld } from "../../test/store-world.ts";
import { problem, startStreamServer } from "../../test/stream-server.ts";
import type { ChatEvent, EpisodeName, Message } from "@parley/protocol";
import { ParleyApiError, StreamEndedError } from "../errors.ts";
import type { ChatState } from "./chat-state.ts";
import type { ChatStore } from "./chat-store.ts";

let world: StoreWorld;
let store: ChatStore;

beforeEach(async () => {
  world = await startStoreWorld();
  store = world.stores.chat(chatId);
});
afterEach(() => world.close());

const previewSnapshot = (name: EpisodeName, seq: number, value: string): ChatEvent => ({
  type: "preview_snapshot",
  data: { ...name, seq, parts: [text(value)] },
});

const ids = ({ transcript }: ChatState) => transcript.messages.map(({ id }) => id);
const opening = withCursors([historyReset(), said(1, 1), said(2, 2), status("waiting"), ready]);

/** Follows the chat and records what is published. */
function follow(): { states: ChatState[]; leave: () => void } {
  const states: ChatState[] = [];
  const leave = store.subscribe(() => states.push(store.getState()));
  return { states, leave };
}

describe("following", () => {
  it("is one connection for all who listen, and outlives a moment without any", async () => {
    const first = follow();
    const second = store.subscribe(() => {});
    const stream = await world.server.stream();
    stream.send(opening);
    await until(store, ({ transcript }) => transcript.ready);
    first.leave();
    second();
    store.subscribe(() => {});
    world.runtime.advance(10_000);
    expect(store.getState().connection).toBe("live");
    expect(world.server.requests).toHaveLength(1);
  });

  it("ends when nobody has listened for a while, and goes on from there for who comes back", async () => {
    const { leave } = follow();
    const stream = await world.server.stream();
    stream.send(opening);
    await until(store, ({ transcript }) => transcript.ready);
    leave();
    await world.runtime.fire("store linger");
    await stream.closed;
    expect(world.stores.chat(chatId)).toBe(store);
    expect(ids(store.getState())).toEqual([1, 2]);
    follow();
    const again = await world.server.stream();
    expect(again.url.searchParams.get("cursor")).toBe("c5");
    again.send([said(3, 3), ready]);
    await until(store, ({ connection }) => connection === "live");
    expect(ids(await until(store, (state) => ids(state).length === 3))).toEqual([1, 2, 3]);
  });

  it("asks for nothing until somebody listens", () => {
    store.getState();
    expect(world.server.requests).toEqual([]);
    expect(world.runtime.labels()).toEqual([]);
  });

  it("forgets chats that nobody has looked at for long, but none that is looked at", async () => {
    follow();
    const name = (n: number) => chatId.replace(/0001$/, String(1000 + n));
    const idle = world.stores.chat(name(0));
    for (let n = 1; n <= 20; n++) world.stores.chat(name(n));
    expect(world.stores.chat(chatId)).toBe(store);
    expect(world.stores.chat(name(0))).not.toBe(idle);
  });

  it("publishes once per frame", async () => {
    const { states } = follow();
    const stream = await world.server.stream();
    await until(store, ({ connection }) => connection === "live");
    states.length = 0;
    stream.send(opening);
    await until(store, ({ transcript }) => transcript.ready);
    expect(states.map(ids)).toEqual([[1, 2]]);
  });
});

describe("live parts", () => {
  it("are told once per drawing where there is a screen, and anything else at once", async () => {
    const runtime = new ManualRuntime();
    let draw: (() => void) | null = null;
    const drawing = Object.assign(runtime, {
      frame(fn: () => void) {
        draw = fn;
        return { cancel: () => void (draw = null) };
      },
    });
    await world.close();
    world = await startStoreWorld({ runtime: drawing });
    store = world.stores.chat(chatId);
    const { states } = follow();
    const stream = await world.server.stream();
    stream.send([...opening]);
    await until(store, ({ transcript }) => transcript.ready);
    states.length = 0;
    const name = episode(2, 1);
    for (let seq = 1; seq <= 50; seq++) stream.send([delta(name, seq, "x")]);
    // What comes after the parts is told at once, and brings them along.
    stream.send([{ type: "chat", data: chat({ title: "a title" }) }]);
    await until(store, ({ transcript }) => transcript.chat !== null);
    expect(store.getState().transcript.preview?.seq).toBe(50);
    expect(states).toHaveLength(1);
    expect(draw).toBeNull();
    stream.send([delta(name, 51, "y")]);
    await new Promise<void>((resolve) => {
      const look = () => (draw === null ? setImmediate(look) : resolve());
      look();
    });
    expect(states).toHaveLength(1);
    draw!();
    expect(states).toHaveLength(2);
    expect(states[1]?.transcript.preview?.seq).toBe(51);
  });

  it("leave the messages that are finished the same objects", async () => {
    follow();
    const stream = await world.server.stream();
    stream.send(opening);
    const before = await until(store, ({ transcript }) => transcript.ready);
    stream.send([delta(episode(2, 1), 1, "a"), delta(episode(2, 1), 2, "b", 1)]);
    const after = await until(store, ({ transcript }) => transcript.preview !== null);
    stream.send([delta(episode(2, 1), 3, "c", 1)]);
    const last = await until(store, ({ transcript }) => transcript.preview?.seq === 3);
    expect(after.transcript.messages).toBe(before.transcript.messages);
    expect(last.transcript.preview?.parts[0]).toBe(after.transcript.preview?.parts[0]);
    expect(last.transcript.queue).toBe(before.transcript.queue);
  });
});

describe("a stream that begins anew", () => {
  /** Messages as a server would send them again: equal, and other objects. */
  const again = (...messages: Message[]) =>
    messages.map((data) => ({ type: "message" as const, data: structuredClone(data) }));

  it("keeps the screen until everything is there, over several frames, and the identity of what is the same", async () => {
    const { states } = follow();
    const stream = await world.server.stream();
    stream.send([...opening, delta(episode(2, 1), 1, "Let me")]);
    const before = await until(store, ({ transcript }) => transcript.preview !== null);
    stream.end({ code: 4000, name: "reconnect" });
    await world.runtime.fire("stream reconnect");
    const next = await world.server.stream();
    states.length = 0;
    next.send([historyReset(), ...again(message(1, 1))]);
    next.send([...again(message(2, 5), message(3, 6)), status("running")]);
    // Read before the next is sent, so that they are not taken for one.
    const probe = world.client.models();
    (await world.call()).answer({ models: [] });
    await probe;
    next.send([previewSnapshot(episode(6, 1), 4, "Let me see"), ready]);
    await until(store, (state) => ids(state).includes(3));
    for (const state of states) {
      expect(ids(state).length, "messages shown").toBeGreaterThan(1);
      expect(state.transcript.preview, "the reply is shown").not.toBeNull();
    }
    const { messages } = store.getState().transcript;
    expect(messages.map(({ revision }) => revision)).toEqual([1, 5, 6]);
    expect(messages[0]).toBe(before.transcript.messages[0]);
    expect(world.runtime.labels()).not.toContain("reset hold");
  });

  it("brings back the older messages that were on the screen, before it shows anything", async () => {
    const { states } = follow();
    const stream = await world.server.stream();
    const short = { type: "history_reset", data: { has_more: true, before: 5 } };
    stream.send([short, said(5, 5), status("waiting"), ready]);
    await until(store, ({ transcript }) => transcript.ready);
    const older = store.loadOlder();
    const page = { messages: [message(3, 3), message(4, 4)], queue: [], has_more: true };
    (await world.call()).answer(page);
    await older;
    states.length = 0;
    stream.end({ code: 4000, name: "reconnect" });
    await world.runtime.fire("stream reconnect");
    const next = await world.server.stream();
    next.send([short, ...again(message(5, 5), message(6, 6)), status("running"), ready]);
    const call = await world.call();
    expect(Object.fromEntries(call.query)).toEqual({ before: "5", limit: "200" });
    call.answer(structuredClone(page));
    await until(store, (state) => ids(state).includes(6));
    for (const state of states) expect(ids(state).slice(0, 3)).toEqual([3, 4, 5]);
    expect(ids(store.getState())).toEqual([3, 4, 5, 6]);
    expect(world.runtime.labels()).not.toContain("reset hold");
  });

  it("goes without them when they cannot be had", async () => {
    follow();
    const stream = await world.server.stream();
    const short = (before: number) => ({
      type: "history_reset",
      data: { has_more: true, before },
    });
    stream.send([short(1), said(1, 1), status("waiting"), ready]);
    await until(store, ({ transcript }) => transcript.ready);
    stream.send([short(5), said(5, 5), status("running")]);
    (await world.call()).refuse(500, "internal");
    expect(ids(await until(store, (state) => ids(state).includes(5)))).toEqual([5]);
    expect(store.getState().transcript.hasMore).toBe(true);
  });

  it("in mid-connection ends with the state that follows the messages: ready is not said again", async () => {
    follow();
    const stream = await world.server.stream();
    stream.send(opening);
    await until(store, ({ transcript }) => transcript.ready);
    stream.send([historyReset(), ...again(message(1, 1))]);
    stream.send([status("running")]);
    const state = await until(store, ({ transcript }) => transcript.status?.status === "running");
    expect(ids(state)).toEqual([1]);
  });

  it("shows what is there when the rest does not come", async () => {
    follow();
    const stream = await world.server.stream();
    stream.send(opening);
    await until(store, ({ transcript }) => transcript.ready);
    stream.send([historyReset(), ...again(message(1, 1))]);
    await world.runtime.fire("reset hold");
    expect(ids(store.getState())).toEqual([1]);
  });

  it("is asked for when a live part is missing, while the preview stays on the screen", async () => {
    const { states } = follow();
    const stream = await world.server.stream();
    stream.send([...opening, delta(episode(2, 1), 1, "Hello")]);
    await until(store, ({ transcript }) => transcript.preview !== null);
    states.length = 0;
    stream.send([delta(episode(2, 1), 3, "!")]);
    const next = await world.server.stream();
    expect(next.url.searchParams.get("cursor")).toBeNull();
    next.send([historyReset(), ...again(message(1, 1), message(2, 2))]);
    next.send([status("running"), previewSnapshot(episode(2, 1), 3, "Hello, you!"), ready]);
    const state = await until(store, ({ transcript }) => transcript.preview?.seq === 3);
    expect(state.transcript.desync).toBe(false);
    for (const { transcript } of states) {
      expect(transcript.preview).not.toBeNull();
      expect(transcript.messages).toHaveLength(2);
    }
  });
});

describe("the connection", () => {
  it("says when it will be tried again, and keeps what is on the screen over a restart of the server", async () => {
    const { states } = follow();
    const stream = await world.server.stream();
    stream.send([...opening, delta(episode(2, 1), 1, "Hel")]);
    await until(store, ({ transcript }) => transcript.preview !== null);
    const { port } = new URL(world.server.baseUrl);
    states.length = 0;
    const old = world.server;
    await old.close();
    const waiting = await until(store, ({ connection }) => connection === "reconnecting");
    const ms = await world.runtime.timerSet("stream reconnect");
    expect(waiting.reconnectAt).toBe(world.runtime.wallMs() + ms);
    const server = await startStreamServer(Number(port));
    await world.runtime.fire("stream reconnect");
    const again = await server.stream();
    expect(again.url.searchParams.get("cursor")).toBe("c5");
    again.send([delta(episode(2, 1), 2, "lo"), ready]);
    const state = await until(store, ({ transcript }) => transcript.preview?.seq === 2);
    expect(state).toMatchObject({ connection: "live", reconnectAt: null });
    expect(states.map(ids)).toEqual(states.map(() => [1, 2]));
    expect(states.every(({ transcript }) => transcript.preview !== null)).toBe(true);
    world.stores.close();
    await server.close();
    world.server.close = async () => {};
  });

  it("ends with the error of a token that is refused, and goes on with a new one", async () => {
    await world.close();
    let token = "old";
    world = await startStoreWorld({ token: () => token });
    store = world.stores.chat(chatId);
    follow();
    const stream = await world.server.stream();
    stream.send(opening);
    await until(store, ({ transcript }) => transcript.ready);
    const { onRequest } = world.server;
    world.server.onRequest = (request, response) =>
      request.headers.authorization === "Bearer old"
        ? problem(response, 401, "unauthorized")
        : onRequest(request, response);
    stream.end();
    await world.runtime.fire("stream reconnect");
    const { ended, transcript } = await until(store, ({ connection }) => connection === "ended");
    expect(ended).toBeInstanceOf(ParleyApiError);
    expect((ended as ParleyApiError).status).toBe(401);
    expect(transcript.messages).toHaveLength(2);
    token = "new";
    store.reconnect();
    const again = await world.server.stream();
    expect(again.url.searchParams.get("cursor")).toBe("c5");
    again.send([said(3, 3), ready]);
    const state = await until(store, (one) => ids(one).includes(3));
    expect(state).toMatchObject({ connection: "live", ended: null });
  });

  it("ends when the chat is deleted elsewhere; what was there can still be read", async () => {
    follow();
    const stream = await world.server.stream();
    stream.send(opening);
    await until(store, ({ transcript }) => transcript.ready);
    stream.end({ code: 4004, name: "chat_deleted" });
    const state = await until(store, ({ connection }) => connection === "ended");
    expect(state.ended).toBeInstanceOf(StreamEndedError);
    expect(state.ended).toMatchObject({ reason: "chat_deleted" });
    expect(ids(state)).toEqual([1, 2]);
  });

  it("of a chat that is not there ends at once", async () => {
    world.server.onRequest = (_, response) => problem(response, 404, "chat_not_found");
    follow();
    const { ended } = await until(store, ({ connection }) => connection === "ended");
    expect(ended).toMatchObject({ code: "chat_not_found" });
  });
});

describe("older messages", () => {
  it("come a page at a time, however often they are asked for", async () => {
    follow();
    const stream = await world.server.stream();
    stream.send([
      { type: "history_reset", data: { has_more: true, before: 3 } },
      said(3, 3),
      status("waiting"),
      ready,
    ]);
    await until(store, ({ transcript }) => transcript.ready);
    const both = Promise.all([store.loadOlder(), store.loadOlder()]);
    const asked = await world.call();
    expect(store.getState().loadingOlder).toBe(true);
    expect(Object.fromEntries(asked.query)).toEqual({ before: "3", limit: "100" });
    asked.answer({ messages: [message(1, 1), message(2, 2)], queue: [], has_more: false });
    await both;
    expect(ids(store.getState())).toEqual([1, 2, 3]);
    expect(store.getState().loadingOlder).toBe(false);
    await store.loadOlder();
    expect(world.server.requests).toHaveLength(2);
  });

  it("say so when they cannot be had, and can be asked for again", async () => {
    follow();
    const stream = await world.server.stream();
    stream.send([
      { type: "history_reset", data: { has_more: true, before: 3 } },
      said(3, 3),
      ready,
    ]);
    await until(store, ({ transcript }) => transcript.ready);
    const lost = store.loadOlder();
    (await world.call()).refuse(500, "internal");
    await expect(lost).rejects.toBeInstanceOf(ParleyApiError);
    expect(store.getState().loadingOlder).toBe(false);
    const found = store.loadOlder();
    (await world.call()).answer({ messages: [message(1, 1)], queue: [], has_more: false });
    await found;
    expect(ids(store.getState())).toEqual([1, 3]);
  });
});

it("shows what the answer to its creation has told, until the stream tells more", async () => {
  store.seed(chat(), [message(1, 1, { role: "user" })]);
  const { states } = follow();
  const stream = await world.server.stream();
  stream.send([historyReset(), said(1, 1, { role: "user" })]);
  stream.send([said(2, 2), status("waiting"), ready]);
  await until(store, ({ transcript }) => transcript.ready);
  expect(states.map(ids).every((shown) => shown.includes(1))).toBe(true);
  expect(ids(store.getState())).toEqual([1, 2]);
});

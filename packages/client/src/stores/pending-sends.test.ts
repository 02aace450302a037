import type { SendMessage } from "@parley/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { chatId, historyReset, message, ready, said, status } from "../../test/events.ts";
import {
  answerTo,
  queued,
  sent,
  startStoreWorld,
  until,
  type StoreWorld,
} from "../../test/store-world.ts";
import type { ServerStream } from "../../test/stream-server.ts";
import type { ChatState } from "./chat-state.ts";
import type { ChatStore } from "./chat-store.ts";

let world: StoreWorld;
let store: ChatStore;
let stream: ServerStream;
/** Everything that was shown, from the moment at which the chat was there. */
let states: ChatState[];

async function open(options: { retriesMax?: number } = {}): Promise<void> {
  world = await startStoreWorld(options);
  store = world.stores.chat(chatId);
  states = [];
  store.subscribe(() => states.push(store.getState()));
  stream = await world.server.stream();
  stream.send([historyReset(), said(1, 1), status("waiting"), ready]);
  await until(store, ({ transcript }) => transcript.ready);
  states.length = 0;
}

beforeEach(() => open());
afterEach(() => world.close());

const waiting = () => store.getState().pending.map(({ state }) => state);

/** How often the message is on the screen: waiting, queued or in the history. */
function seen({ transcript, pending }: ChatState, clientId: string): number {
  const all = [...transcript.messages, ...transcript.queue, ...pending];
  return all.filter(({ client_id }) => client_id === clientId).length;
}

function expectAlwaysOnce(clientId: string): void {
  expect(states.length).toBeGreaterThan(0);
  expect(states.map((state) => seen(state, clientId))).toEqual(states.map(() => 1));
}

describe("a message that is sent", () => {
  it("is shown at once, and becomes the message in the moment in which the stream shows it", async () => {
    const sending = store.send({ content: "Hello." });
    expect(store.getState().pending).toEqual([
      {
        client_id: "key-1",
        content: "Hello.",
        when_busy: undefined,
        state: "sending",
        error: null,
      },
    ]);
    const call = await world.call();
    expect(call.body).toEqual({ content: "Hello.", client_id: "key-1" });
    call.answer(answerTo([sent(2, 2, call.body)]));
    await sending;
    expect(waiting()).toEqual(["sending"]);
    stream.send([{ type: "message", data: sent(2, 2, call.body) }]);
    await until(store, ({ pending }) => pending.length === 0);
    expectAlwaysOnce("key-1");
    expect(world.runtime.labels()).not.toContain("pending overdue");
  });

  it("may be in the stream before it is answered", async () => {
    const sending = store.send({ content: "Hello." });
    const call = await world.call();
    stream.send([{ type: "message", data: sent(2, 2, call.body) }]);
    await until(store, ({ pending }) => pending.length === 0);
    call.answer(answerTo([sent(2, 2, call.body)]));
    expect((await sending).messages).toHaveLength(1);
    expect(waiting()).toEqual([]);
    expectAlwaysOnce("key-1");
  });

  it("is the same one when its answer was lost and it is sent again", async () => {
    await world.close();
    await open({ retriesMax: 1 });
    const sending = store.send({ content: "Hello." });
    (await world.call()).lose();
    await world.runtime.fire("call retry");
    const again = await world.call();
    expect(again.body.client_id).toBe("key-1");
    stream.send([{ type: "message", data: sent(2, 2, again.body) }]);
    again.answer(answerTo([sent(2, 2, again.body)]));
    await sending;
    await until(store, ({ pending }) => pending.length === 0);
    expectAlwaysOnce("key-1");
  });

  it("has arrived when the stream shows it, though no answer came", async () => {
    const sending = store.send({ content: "Hello." });
    const call = await world.call();
    stream.send([
      { type: "chat", data: answerTo([]).chat },
      { type: "message", data: sent(2, 2, call.body) },
    ]);
    await until(store, ({ pending }) => pending.length === 0);
    call.lose();
    const { messages, queued: place } = await sending;
    expect(messages.map(({ id }) => id)).toEqual([2]);
    expect(place).toBeNull();
    expect(waiting()).toEqual([]);
  });

  it("is queued, then promoted, and shown once all the way", async () => {
    const sending = store.send({ content: "Then this.", when_busy: "queue" });
    const call = await world.call();
    const row = queued(7, call.body);
    call.answer(answerTo([], row));
    await sending;
    stream.send([{ type: "queue_update", data: { queue: [row] } }]);
    await until(store, ({ transcript }) => transcript.queue.length === 1);
    expect(waiting()).toEqual([]);
    // Its message comes before the queue without it, here in frames of their own.
    stream.send([{ type: "message", data: sent(2, 4, call.body) }]);
    await until(store, ({ transcript }) => transcript.messages.length === 2);
    stream.send([{ type: "queue_update", data: { queue: [] } }]);
    stream.send([status("running", 2)]);
    await until(store, ({ transcript }) => transcript.status?.status === "running");
    expectAlwaysOnce("key-1");
  });

  it("is shown once when the stream shows several at the same time", async () => {
    const sending = [store.send({ content: "One." }), store.send({ content: "Two." })];
    const calls = [await world.call(), await world.call()];
    states.length = 0;
    stream.send(calls.map(({ body }, at) => ({ type: "message", data: sent(2 + at, 2, body) })));
    await until(store, ({ pending }) => pending.length === 0);
    expectAlwaysOnce("key-1");
    expectAlwaysOnce("key-2");
    for (const call of calls) call.answer(answerTo([]));
    await Promise.all(sending);
  });

  it("keeps its place among others that are sent", async () => {
    const first = store.send({ content: "One." });
    const one = await world.call();
    const second = store.send({ content: "Two." });
    const two = await world.call();
    expect(store.getState().pending.map(({ content }) => content)).toEqual(["One.", "Two."]);
    stream.send([{ type: "message", data: sent(3, 3, two.body) }]);
    await until(store, ({ pending }) => pending.length === 1);
    expect(store.getState().pending[0]?.content).toBe("One.");
    one.answer(answerTo([]));
    two.answer(answerTo([]));
    await Promise.all([first, second]);
  });
});

describe("a message that could not be sent", () => {
  async function failed(body: Partial<SendMessage> = {}) {
    const sending = store.send({ content: "Hello.", ...body });
    const outcome = sending.catch((error: unknown) => error);
    (await world.call()).refuse(409, "chat_busy");
    expect(await outcome).toMatchObject({ code: "chat_busy" });
  }

  it("stays, with the reason, and is sent again under its name", async () => {
    await failed({ when_busy: "reject" });
    expect(store.getState().pending).toMatchObject([
      { client_id: "key-1", when_busy: "reject", state: "failed", error: { code: "chat_busy" } },
    ]);
    const again = store.retry("key-1");
    expect(store.getState().pending).toMatchObject([{ state: "sending", error: null }]);
    const call = await world.call();
    expect(call.body).toEqual({ content: "Hello.", when_busy: "reject", client_id: "key-1" });
    stream.send([{ type: "message", data: sent(2, 2, call.body) }]);
    call.answer(answerTo([sent(2, 2, call.body)]));
    await again;
    await until(store, ({ pending }) => pending.length === 0);
    expectAlwaysOnce("key-1");
  });

  it("is given up when its sender wants that, and only then", async () => {
    await failed();
    stream.send([{ type: "message", data: message(2, 2) }, ready]);
    await until(store, ({ transcript }) => transcript.messages.length === 2);
    expect(waiting()).toEqual(["failed"]);
    store.discard("key-1");
    expect(waiting()).toEqual([]);
    await store.retry("key-1");
  });

  it("outlives views that come and go", async () => {
    await failed();
    world.stores.close();
    expect(store.isNeeded).toBe(true);
    expect(waiting()).toEqual(["failed"]);
  });

  it("cannot be given up while it is on its way", async () => {
    const sending = store.send({ content: "Hello." });
    store.discard("key-1");
    expect(waiting()).toEqual(["sending"]);
    (await world.call()).answer(answerTo([]));
    await sending;
  });

  it("is not failed when the stream has shown it meanwhile", async () => {
    const sending = store.send({ content: "Hello." });
    const outcome = sending.catch((error: unknown) => error);
    (await world.call()).lose();
    expect(await outcome).toMatchObject({ code: "network" });
    expect(waiting()).toEqual(["failed"]);
    stream.send([{ type: "message", data: sent(2, 2, { content: "Hello.", client_id: "key-1" }) }]);
    await until(store, ({ pending }) => pending.length === 0);
    expectAlwaysOnce("key-1");
  });
});

describe("a message that was taken back before the stream showed it", () => {
  async function answered(): Promise<void> {
    const sending = store.send({ content: "Hello." });
    const call = await world.call();
    call.answer(answerTo([sent(2, 2, call.body)]));
    await sending;
    expect(waiting()).toEqual(["sending"]);
  }

  it("goes when a live stream has not shown it for long", async () => {
    await answered();
    expect(await world.runtime.fire("pending overdue")).toBe(15_000);
    expect(waiting()).toEqual([]);
  });

  it("goes with the end of the sync of a connection that was opened after it was sent", async () => {
    await answered();
    stream.end({ code: 4000, name: "reconnect" });
    await world.runtime.fire("stream reconnect");
    const next = await world.server.stream();
    await until(store, ({ connection }) => connection === "live");
    expect(waiting()).toEqual(["sending"]);
    next.send([said(9, 9), ready]);
    await until(store, ({ transcript }) => transcript.messages.length === 2);
    expect(waiting()).toEqual([]);
  });

  it("stays while it is not answered, whatever connection says that this is all", async () => {
    const sending = store.send({ content: "Hello." });
    const call = await world.call();
    stream.end({ code: 4000, name: "reconnect" });
    await world.runtime.fire("stream reconnect");
    const next = await world.server.stream();
    next.send([said(9, 9), ready]);
    await until(store, ({ transcript }) => transcript.messages.length === 2);
    expect(waiting()).toEqual(["sending"]);
    call.answer(answerTo([]));
    await sending;
  });

  it("stays for one that was opened before", async () => {
    stream.end({ code: 4000, name: "reconnect" });
    await world.runtime.fire("stream reconnect");
    const next = await world.server.stream();
    await until(store, ({ connection }) => connection === "live");
    await answered();
    next.send([said(9, 9), ready]);
    await until(store, ({ transcript }) => transcript.messages.length === 2);
    expect(waiting()).toEqual(["sending"]);
  });

  it("does not wait for a stream that nobody follows", async () => {
    world.stores.close();
    const sending = store.send({ content: "Hello." });
    (await world.call()).answer(answerTo([]));
    await sending;
    expect(waiting()).toEqual([]);
  });
});

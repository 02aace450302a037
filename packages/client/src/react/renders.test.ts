import { openPage, type Page } from "../../test/page.ts";
import { act } from "@testing-library/react";
import type { Chat, ChatEvent, Message, Part } from "@parley/protocol";
import { createElement as h, memo, Profiler } from "react";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  chat,
  chatId,
  delta,
  episode,
  historyReset,
  message,
  ready,
  status,
  text,
} from "../../test/events.ts";
import { ManualRuntime } from "../../test/manual-runtime.ts";
import type { WebSocketLike } from "../subscription/websocket-adapter.ts";
import { useChatList } from "./use-chat-list.ts";
import { useChatValue } from "./use-chat.ts";

/** Finished messages on the page, chats in the list, and what comes of the reply: some seconds of a fast model. */
const messagesCount = 100;
const chatsCount = 20;
const partsCount = 400;

let page: Page;
afterEach(() => page.close());

/** Commits of each part of the page, as React's profiler counts them. */
const commits = new Map<string, number>();
const counted = (id: string) => commits.set(id, (commits.get(id) ?? 0) + 1);
const renders = (id: string) => commits.get(id) ?? 0;
beforeEach(() => commits.clear());

/** The profiler is inside of what is memoized: it counts when that is drawn again. */
const Bubble = memo(({ of }: { of: Message }) =>
  h(Profiler, { id: "finished message", onRender: counted }, h("p", null, textOf(of.parts))),
);
const LivePart = memo(({ of }: { of: Part }) =>
  h(Profiler, { id: `live part ${of.type}`, onRender: counted }, h("p", null, textOf([of]))),
);
const Row = memo(({ of }: { of: Chat }) =>
  h(Profiler, { id: "list item", onRender: counted }, h("li", null, of.title)),
);

function Messages() {
  const messages = useChatValue(chatId, ({ transcript }) => transcript.messages);
  return h(
    Profiler,
    { id: "list of messages", onRender: counted },
    messages.map((one) => h(Bubble, { key: one.client_id ?? one.id, of: one })),
  );
}

function Streaming() {
  const preview = useChatValue(chatId, ({ transcript }) => transcript.preview);
  const parts = (preview?.parts ?? []).map((part, at) => h(LivePart, { key: at, of: part }));
  return h(Profiler, { id: "streaming message", onRender: counted }, parts);
}

function Composer() {
  const isBusy = useChatValue(chatId, ({ transcript }) => transcript.status?.status !== "waiting");
  return h(Profiler, { id: "composer", onRender: counted }, h("b", null, String(isBusy)));
}

function List() {
  const { chats } = useChatList();
  return h(
    Profiler,
    { id: "list of chats", onRender: counted },
    chats.map((one) => h(Row, { key: one.id, of: one })),
  );
}

function textOf(parts: readonly Part[]): string {
  return parts.map((part) => ("text" in part ? part.text : "")).join("");
}

async function open() {
  page = await openPage();
  page.render(h("main", null, h(List), h(Messages), h(Streaming), h(Composer)));
  const streams = [await page.server.stream(), await page.server.stream()];
  const [watch, stream] = streams.toSorted((a, b) => (a.url.pathname < b.url.pathname ? 1 : -1));
  if (!watch || !stream) throw new Error("two streams");
  const chats = Array.from({ length: chatsCount }, (_, n) => listed(n + 1));
  const call = await page.call();
  await page.afterIn(
    page.stores.chats(),
    () => call.answer({ chats, next_cursor: null }),
    (state) => state.ready,
  );
  const messages = Array.from({ length: messagesCount }, (_, n) => ({
    type: "message",
    data: message(n + 1, n + 1),
  }));
  await page.after(
    () => stream.send([historyReset(), ...messages, status("running", messagesCount), ready]),
    ({ transcript }) => transcript.ready,
  );
  return { watch, stream };
}

const listed = (n: number, more: Partial<Chat> = {}) =>
  chat({ id: chatId.replace(/001$/, String(100 + n)), title: `Chat ${n}`, ...more });

it("draws nothing again that is finished while a reply streams: counted by React's profiler", async () => {
  const { watch, stream } = await open();
  expect(renders("finished message")).toBe(messagesCount);
  expect(renders("list item")).toBe(chatsCount);
  commits.clear();
  const name = episode(messagesCount + 1, 1);
  for (let seq = 1; seq <= partsCount; seq++) {
    // A thought first, then the answer: what is thought is finished when the answer begins.
    const index = seq <= partsCount / 4 ? 0 : 1;
    const part =
      index === 0
        ? { type: "reasoning", index, delta: "hm " }
        : { type: "text", index, delta: "word " };
    await page.after(
      () => stream.send([{ type: "message_part", data: { ...name, seq, part } }]),
      ({ transcript }) => transcript.preview?.seq === seq,
    );
  }
  const perPart = (id: string) => (renders(id) / partsCount).toFixed(3);
  const figures = [
    "finished message",
    "list of messages",
    "list item",
    "composer",
    "streaming message",
    "live part reasoning",
    "live part text",
  ];
  const lines = figures.map((id) => `  ${id.padEnd(20)} ${perPart(id)}`);
  process.stdout.write(
    `renders per part, ${partsCount} parts, ${messagesCount} messages and ${chatsCount} chats on the page:\n${lines.join("\n")}\n`,
  );
  for (const id of ["finished message", "list of messages", "list item", "composer"]) {
    expect(renders(id), id).toBe(0);
  }
  expect(renders("streaming message")).toBe(partsCount);
  expect(renders("live part reasoning")).toBe(partsCount / 4);
  expect(renders("live part text")).toBe((partsCount * 3) / 4);

  // The list knows of the reply only that the chat has changed: one row is drawn.
  commits.clear();
  const renamed = listed(3, { title: "Renamed", metadata_version: 9 });
  await page.afterIn(
    page.stores.chats(),
    () => watch.send([{ type: "chat", data: renamed }]),
    ({ chats }) => chats.some(({ title }) => title === "Renamed"),
  );
  expect(renders("list item")).toBe(1);
  expect(renders("streaming message")).toBe(0);

  // The reply is committed: one message more, and the others stay as they are.
  commits.clear();
  const reply = message(messagesCount + 1, messagesCount + 1, { episode: name });
  await page.after(
    () => stream.send([{ type: "message", data: { ...reply, parts: [text("done")] } }]),
    ({ transcript }) => transcript.preview === null,
  );
  expect(renders("finished message")).toBe(1);
});

it("draws as often as the screen does, however many parts come", async () => {
  const waiting = new Set<() => void>();
  const frame = (fn: () => void) => {
    waiting.add(fn);
    return { cancel: () => void waiting.delete(fn) };
  };
  let socket: WebSocketLike | null = null;
  const webSockets = { sendsHeaders: true, open: () => (socket = silentSocket()) };
  page = await openPage({ runtime: Object.assign(new ManualRuntime(), { frame }), webSockets });
  page.render(h(Streaming));
  await turn();
  const receive = async (...events: ChatEvent[]) => {
    socket?.onmessage?.({ data: JSON.stringify(events) });
    await turn();
  };
  socket!.onopen?.();
  await act(() => receive(historyReset(), status("running"), ready));
  commits.clear();
  const framesCount = 60;
  const perFrame = 4;
  for (let drawn = 0; drawn < framesCount; drawn++) {
    for (let n = 1; n <= perFrame; n++) {
      // Each in a frame of its own, as a server sends parts that come one by one.
      await receive(delta(episode(1, 1), drawn * perFrame + n, "word "));
    }
    expect(renders("streaming message")).toBe(drawn);
    expect(waiting.size).toBe(1);
    act(() => {
      for (const draw of waiting) {
        waiting.delete(draw);
        draw();
      }
    });
  }
  process.stdout.write(
    `${framesCount * perFrame} parts over ${framesCount} drawings: ${renders("streaming message")} renders\n`,
  );
  expect(renders("streaming message")).toBe(framesCount);
});

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A connection on which the test itself speaks. */
function silentSocket(): WebSocketLike {
  return { onopen: null, onmessage: null, onerror: null, onclose: null, close() {} };
}

import { document } from "../../test/dom.ts";
import { openPage, type Page } from "../../test/page.ts";
import { act, waitFor } from "@testing-library/react";
import { createElement as h, startTransition, useEffect, useState, type ReactNode } from "react";
import { hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
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
} from "../../test/events.ts";
import { answerTo, queued, sent, until } from "../../test/store-world.ts";
import type { ServerStream } from "../../test/stream-server.ts";
import { ParleyProvider, useClient } from "./provider.ts";
import { useChatActions, type ChatActions } from "./use-chat-actions.ts";
import { useChatList } from "./use-chat-list.ts";
import { useChat, useChatStore, useChatValue } from "./use-chat.ts";
import { useClientTools } from "./use-client-tools.ts";
import { useModels } from "./use-models.ts";
import { useCreateChat, usePendingMessages, useSendMessage } from "./use-send-message.ts";

let page: Page;
let stream: ServerStream;
let complaints: string[];

beforeEach(async () => {
  page = await openPage();
  complaints = [];
  vi.spyOn(console, "error").mockImplementation((...args: unknown[]) => {
    // What a real server sends comes when it comes.
    if (!String(args[0]).includes("not wrapped in act")) complaints.push(args.join(" "));
  });
});
afterEach(async () => {
  await page.close();
  vi.restoreAllMocks();
  if (complaints.length > 0) throw new Error(complaints.join("\n"));
});

const opening = [historyReset(), said(1, 1), status("waiting"), ready];

async function opened(): Promise<void> {
  stream = await page.server.stream();
  await page.after(
    () => stream.send(opening),
    ({ transcript }) => transcript.ready,
  );
}

const shown = () => document.querySelector("[data-testid=view]")?.textContent;
const view = (text: string) => h("p", { "data-testid": "view" }, text);

function Count() {
  const { transcript, connection } = useChat(chatId);
  return view(`${connection} ${transcript.messages.length}`);
}

describe("useChat", () => {
  it("shows the chat, over one connection, also in StrictMode and for several components", async () => {
    function Other() {
      useChat(chatId);
      return null;
    }
    page.render(h("div", null, h(Count), h(Other)), "strict");
    expect(shown()).toBe("connecting 0");
    await opened();
    expect(shown()).toBe("live 1");
    page.runtime.advance(10_000);
    expect(page.server.requests).toHaveLength(1);
    expect(page.server.unclaimed()).toBe(0);
  });

  it("follows the chat for as long as somebody shows it", async () => {
    const { unmount } = page.render(h(Count));
    await opened();
    unmount();
    await page.runtime.fire("store linger");
    await stream.closed;
  });

  it("changes over to another chat at once", async () => {
    const other = chatId.replace(/1$/, "2");
    let go: (id: string) => void = () => {};
    function Chosen() {
      const [id, setId] = useState(chatId);
      go = setId;
      const { transcript } = useChat(id);
      return view(`${id === chatId ? "first" : "other"} ${transcript.messages.length}`);
    }
    page.render(h(Chosen));
    await opened();
    act(() => go(other));
    expect(shown()).toBe("other 0");
    const next = await page.server.stream();
    expect(next.url.pathname).toContain(other);
    act(() => go(chatId));
    expect(shown()).toBe("first 1");
  });

  it("loads older messages and says so", async () => {
    let older: () => Promise<void> = async () => {};
    const stable = new Set<unknown>();
    function Older() {
      const { transcript, loadOlder, loadingOlder } = useChat(chatId);
      older = loadOlder;
      useEffect(() => void stable.add(loadOlder));
      return view(`${transcript.messages.length} ${loadingOlder}`);
    }
    page.render(h(Older));
    stream = await page.server.stream();
    const first = { type: "history_reset", data: { has_more: true, before: 5 } };
    await page.after(
      () => stream.send([first, said(5, 5), ready]),
      ({ transcript }) => transcript.ready,
    );
    let loading: Promise<void> = Promise.resolve();
    act(() => void (loading = older()));
    expect(shown()).toBe("1 true");
    const call = await page.call();
    await act(async () => {
      call.answer({ messages: [message(4, 4)], queue: [], has_more: false });
      await loading;
    });
    expect(shown()).toBe("2 false");
    expect(stable.size).toBe(1);
  });

  it("says what is missing where there is no provider", () => {
    function Lost() {
      useClient();
      return null;
    }
    expect(() => renderToString(h(Lost))).toThrow("ParleyProvider");
  });
});

describe("useChatValue", () => {
  it("renders only when what it selects is another value", async () => {
    let renders = 0;
    function Title() {
      renders++;
      return view(useChatValue(chatId, ({ transcript }) => transcript.chat?.title ?? "none"));
    }
    page.render(h(Title));
    await opened();
    renders = 0;
    await page.after(
      () => stream.send([said(2, 2), delta(episode(3, 1), 1, "Hi")]),
      ({ transcript }) => transcript.preview !== null,
    );
    expect(renders).toBe(0);
    await page.after(
      () => stream.send([{ type: "chat", data: chat({ title: "Hello" }) }]),
      ({ transcript }) => transcript.chat !== null,
    );
    expect([renders, shown()]).toEqual([1, "Hello"]);
  });

  it("takes an equality for values that are built anew, and any function written in place", async () => {
    let renders = 0;
    function Roles({ factor }: { factor: number }) {
      renders++;
      const ids = useChatValue(
        chatId,
        ({ transcript }) => transcript.messages.map(({ id }) => id * factor),
        (a, b) => a.join() === b.join(),
      );
      const kept = useState(() => new Set<unknown>())[0];
      useEffect(() => void kept.add(ids));
      return view(`${ids.join()} ${kept.size}`);
    }
    const { rerender } = page.render(h(Roles, { factor: 1 }));
    await opened();
    renders = 0;
    await page.after(
      () => stream.send([status("running")]),
      ({ transcript }) => transcript.status?.status === "running",
    );
    expect(renders).toBe(0);
    rerender(h(ParleyProvider, { client: page.client }, h(Roles, { factor: 10 })));
    expect(shown()).toMatch(/^10 /);
  });
});

describe("useChatStore", () => {
  it("is there for effects that render nothing", async () => {
    const seen: number[] = [];
    function Watcher() {
      const { subscribe, getState } = useChatStore(chatId);
      useEffect(
        () => subscribe(() => void seen.push(getState().transcript.messages.length)),
        [subscribe, getState],
      );
      return null;
    }
    page.render(h(Watcher), "strict");
    await opened();
    expect(seen.at(-1)).toBe(1);
    expect(page.server.requests).toHaveLength(1);
  });
});

describe("concurrent rendering", () => {
  it("never shows two states of a chat in one picture, though it changes while a transition is drawn", async () => {
    const pictures: string[] = [];
    let grow: (n: number) => void = () => {};
    let during: (() => void) | null = null;
    let drawn = 0;
    const store = page.stores.chat(chatId);
    function Part() {
      const { transcript } = useChat(chatId);
      drawn++;
      during?.();
      // Slow enough for React to let others in before the next.
      const untilMs = performance.now() + 6;
      while (during !== null && performance.now() < untilMs);
      return h("i", { className: "part" }, transcript.messages.length);
    }
    const texts = () =>
      [...document.querySelectorAll(".part")].map((part) => part.textContent).join("");
    function Parts() {
      const [count, setCount] = useState(2);
      grow = setCount;
      useEffect(() => void pictures.push(texts()));
      return Array.from({ length: count }, (_, n) => h(Part, { key: n }));
    }
    page.render(h(Parts));
    await opened();
    let drawnBefore = 0;
    let asked = false;
    during = () => {
      if (asked) return;
      asked = true;
      setImmediate(() => {
        drawnBefore = drawn;
        store.seed(chat(), [message(9, 9)]);
      });
    };
    drawn = 0;
    const environment = globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean };
    environment.IS_REACT_ACT_ENVIRONMENT = false;
    startTransition(() => grow(8));
    await waitFor(() => expect(texts()).toBe("22222222"));
    environment.IS_REACT_ACT_ENVIRONMENT = true;
    during = null;
    expect(drawnBefore, "parts drawn when the chat changed").toBeGreaterThan(0);
    expect(drawnBefore).toBeLessThan(8);
    for (const picture of pictures) expect(new Set(picture).size, picture).toBe(1);
  });
});

describe("server rendering", () => {
  /** The page as a browser has it before any script has run. */
  function drawnBy(html: string) {
    const container = document.createElement("div");
    container.innerHTML = html;
    document.body.append(container);
    return container;
  }

  function App(): ReactNode {
    const { chats, ready: known } = useChatList();
    const { models } = useModels();
    return h("div", null, h(Count), h("p", null, `${chats.length} ${known} ${models.length}`));
  }

  it("draws an empty chat and asks for nothing; the browser takes it over and goes on", async () => {
    const whole = h(ParleyProvider, { client: page.client }, h(App));
    const html = renderToString(whole);
    expect(html).toContain("connecting 0");
    expect(page.server.requests).toEqual([]);
    expect(page.runtime.labels()).toEqual([]);
    const container = drawnBy(html);
    const before = container.querySelector("p");
    const problems: unknown[] = [];
    const root = await act(async () =>
      hydrateRoot(container, whole, { onRecoverableError: (error) => problems.push(error) }),
    );
    const streams = [await page.server.stream(), await page.server.stream()];
    const own = streams.find(({ url }) => url.pathname.endsWith("/stream"));
    await page.after(
      () => own?.send(opening),
      ({ transcript }) => transcript.ready,
    );
    expect(container.querySelector("p")).toBe(before);
    expect(before?.textContent).toBe("live 1");
    expect(problems).toEqual([]);
    act(() => root.unmount());
    container.remove();
  });

  it("takes over a page of which more is known by then than the server had", async () => {
    page.stores.chat(chatId).seed(chat(), [message(1, 1)]);
    const html = renderToString(h(ParleyProvider, { client: page.client }, h(Count)));
    expect(html).toContain("connecting 0");
    const container = drawnBy(html);
    const problems: unknown[] = [];
    const root = await act(async () =>
      hydrateRoot(container, h(ParleyProvider, { client: page.client }, h(Count)), {
        onRecoverableError: (error) => problems.push(error),
      }),
    );
    expect(container.textContent).toBe("connecting 1");
    expect(problems).toEqual([]);
    act(() => root.unmount());
    container.remove();
  });
});

describe("sending", () => {
  it("shows the message at once, once, until it is answered; what fails can be retried or given up", async () => {
    let send: ReturnType<typeof useSendMessage>;
    let pendings: ReturnType<typeof usePendingMessages>;
    const pictures: string[] = [];
    function Chat() {
      const { transcript, pending } = useChat(chatId);
      send = useSendMessage(chatId);
      pendings = usePendingMessages(chatId);
      const texts = [
        ...transcript.messages.map((m) => `#${m.client_id ?? m.id}`),
        ...transcript.queue.map((q) => `queued ${q.client_id}`),
        ...pending.map((p) => `${p.state} ${p.client_id}`),
      ];
      useEffect(() => void pictures.push(texts.join()));
      return view(texts.join());
    }
    page.render(h(Chat), "strict");
    await opened();
    const sending: Promise<unknown>[] = [];
    act(() => void sending.push(send({ content: "Hello." })));
    expect(shown()).toBe("#1,sending key-1");
    const call = await page.call();
    await act(async () => {
      call.answer(answerTo([], queued(3, call.body)));
      await sending[0];
    });
    expect(shown()).toBe("#1,sending key-1");
    await page.after(
      () => stream.send([{ type: "queue_update", data: { queue: [queued(3, call.body)] } }]),
      ({ transcript }) => transcript.queue.length === 1,
    );
    expect(shown()).toBe("#1,queued key-1");
    await page.after(
      () =>
        stream.send([
          { type: "message", data: sent(2, 2, call.body) },
          { type: "queue_update", data: { queue: [] } },
        ]),
      ({ transcript }) => transcript.messages.length === 2,
    );
    expect(shown()).toBe("#1,#key-1");
    expect(pictures.every((one) => one.split("key-1").length <= 2)).toBe(true);

    let failure: unknown;
    act(() => void sending.push(send({ content: "Lost." }).catch((e: unknown) => (failure = e))));
    const lost = await page.call();
    await act(async () => {
      lost.refuse(409, "queue_full");
      await sending[1];
    });
    expect(failure).toMatchObject({ code: "queue_full" });
    expect(shown()).toBe("#1,#key-1,failed key-2");
    act(() => void sending.push(pendings.retry("key-2").catch(() => {})));
    expect(shown()).toBe("#1,#key-1,sending key-2");
    const again = await page.call();
    await act(async () => {
      again.refuse(409, "queue_full");
      await sending[2];
    });
    act(() => pendings.discard("key-2"));
    expect(shown()).toBe("#1,#key-1");
  });

  it("makes a chat whose first message is there when it is opened", async () => {
    let create: ReturnType<typeof useCreateChat>;
    function Start() {
      create = useCreateChat();
      return null;
    }
    const { rerender } = page.render(h(Start));
    const creating = create!({ content: "Hello." });
    const call = await page.call();
    call.answer({ chat: chat(), messages: [message(1, 1, { role: "user" })] }, 201);
    await creating;
    rerender(h(ParleyProvider, { client: page.client }, h(Count)));
    expect(shown()).toBe("connecting 1");
  });
});

it("useChatActions fills in the chat, and is stable", async () => {
  const seen = new Set<ChatActions>();
  function Actions() {
    const actions = useChatActions(chatId);
    useEffect(() => void seen.add(actions));
    useChat(chatId);
    return null;
  }
  page.render(h(Actions));
  await opened();
  expect(seen.size).toBe(1);
  const [actions] = seen;
  const stopping = actions!.interrupt({ turn: 1, hold: true });
  const call = await page.call();
  expect([call.path, call.body]).toEqual([`/chats/${chatId}/interrupt`, { turn: 1, hold: true }]);
  call.answer({ chat: chat(), message: null });
  expect((await stopping).pending).toBe(false);
});

it("useClientTools runs a call once in StrictMode, with the handler of the moment", async () => {
  const runs: string[] = [];
  let set: (name: string) => void = () => {};
  function Tools() {
    const [name, setName] = useState("first");
    set = setName;
    useClientTools(chatId, { locate: () => void runs.push(name) });
    return null;
  }
  page.render(h(Tools), "strict");
  await opened();
  act(() => set("second"));
  const action = {
    tool_call_id: "call-1",
    tool_name: "locate",
    kind: "client_tool",
    input: {},
    deadline_at: null,
  };
  await page.after(
    () =>
      stream.send([
        status("requires_action"),
        { type: "action_required", data: { actions: [action], deadline_at: null } },
      ]),
    ({ transcript }) => transcript.actions !== null,
  );
  (await page.call()).answer({ chat: chat(), messages: [] });
  expect(runs).toEqual(["second"]);
});

it("useChatList is live, and takes a filter that is written anew with each render", async () => {
  const stable = new Set<unknown>();
  function List({ label }: { label: string }) {
    const { chats, hasMore, loadMore } = useChatList({ label: [label], search: undefined });
    useEffect(() => void stable.add(loadMore));
    return view(`${chats.map((c) => c.title).join()} ${hasMore}`);
  }
  page.render(h(List, { label: "a" }), "strict");
  const watch = await page.server.stream();
  const list = page.stores.chats({ label: "a" });
  const call = await page.call();
  await page.afterIn(
    list,
    () => call.answer({ chats: [chat({ title: "One", labels: { a: "" } })], next_cursor: null }),
    (state) => state.ready,
  );
  expect(shown()).toBe("One false");
  const renamed = chat({ title: "Two", labels: { a: "" }, metadata_version: 2 });
  await page.afterIn(
    list,
    () => watch.send([{ type: "chat", data: renamed }]),
    ({ chats }) => chats[0]?.title === "Two",
  );
  expect(shown()).toBe("Two false");
  expect(stable.size).toBe(1);
  expect(page.server.requests).toHaveLength(2);
});

it("useModels lists the models", async () => {
  function Models() {
    const { models, ready: known } = useModels();
    return view(`${known} ${models.map(({ id }) => id).join()}`);
  }
  page.render(h(Models), "strict");
  const call = await page.call();
  await page.afterIn(
    page.stores.models,
    () => call.answer({ models: [{ id: "demo/demo", provider: "demo", name: "Demo" }] }),
    (state) => state.ready,
  );
  expect(shown()).toBe("true demo/demo");
  await until(page.stores.models, (state) => state.ready);
  expect(page.server.requests).toHaveLength(1);
});

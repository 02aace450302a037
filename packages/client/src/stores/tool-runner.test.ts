import type { ChatEvent } from "@parley/protocol";
import { afterEach, beforeEach, expect, it } from "vitest";
import { chat, chatId, historyReset, ready, status } from "../../test/events.ts";
import { ManualRuntime } from "../../test/manual-runtime.ts";
import { startStoreWorld, until, type StoreWorld } from "../../test/store-world.ts";
import type { ServerStream } from "../../test/stream-server.ts";
import type { Runtime } from "../runtime.ts";
import type { ChatStore } from "./chat-store.ts";
import type { ClientToolContext } from "./tool-runner.ts";

let world: StoreWorld;
let store: ChatStore;
let stream: ServerStream;

async function open(runtime = new ManualRuntime()): Promise<void> {
  world = await startStoreWorld({ runtime });
  store = world.stores.chat(chatId);
  store.subscribe(() => {});
  stream = await world.server.stream();
  stream.send([historyReset(), status("running", 1), ready]);
  await until(store, ({ transcript }) => transcript.ready);
}

beforeEach(() => open());
afterEach(() => world.close());

function asks(...ids: string[]): ChatEvent {
  const actions = ids.map((id) => ({
    tool_call_id: id,
    tool_name: id.split("-")[0] ?? id,
    kind: id.startsWith("approval") ? ("approval" as const) : ("client_tool" as const),
    input: { of: id },
    deadline_at: null,
  }));
  return { type: "action_required", data: { actions, deadline_at: null } };
}

const answered = { chat: chat(), messages: [] };

/** A tool that waits until the test lets it go on. */
function waitingTool() {
  const calls: { input: unknown; context: ClientToolContext; give: (value: unknown) => void }[] =
    [];
  const started: (() => void)[] = [];
  const tool = (input: unknown, context: ClientToolContext) =>
    new Promise((give) => {
      calls.push({ input, context, give });
      for (const resolve of started.splice(0)) resolve();
    });
  return { tool, calls, once: () => new Promise<void>((resolve) => started.push(resolve)) };
}

it("runs what is asked of it, once, and submits the result", async () => {
  const { tool, calls, once } = waitingTool();
  store.answerTools(() => ({ locate: tool }));
  store.answerTools(() => ({ locate: tool }));
  stream.send([status("requires_action", 1), asks("locate-1", "other-2", "approval-3")]);
  await once();
  stream.send([asks("locate-1", "other-2")]);
  await until(store, ({ transcript }) => transcript.actions?.actions.length === 2);
  expect(calls).toHaveLength(1);
  expect(calls[0]?.input).toEqual({ of: "locate-1" });
  expect(calls[0]?.context.tool_call_id).toBe("locate-1");
  calls[0]?.give({ place: "Ghent", when: undefined });
  const call = await world.call();
  expect(call.path).toBe(`/chats/${chatId}/tool-results`);
  expect(call.body).toEqual({
    results: [{ tool_call_id: "locate-1", output: { place: "Ghent" } }],
  });
  call.answer(answered);
  stream.send([asks("other-2"), { type: "chat", data: chat() }]);
  await until(store, ({ transcript }) => transcript.chat !== null);
  expect(calls).toHaveLength(1);
});

it("is answered for calls that waited before anybody offered the tool", async () => {
  stream.send([status("requires_action", 1), asks("locate-1")]);
  await until(store, ({ transcript }) => transcript.actions !== null);
  store.answerTools(() => ({ locate: () => undefined }));
  expect((await world.call()).body.results[0]).toEqual({ tool_call_id: "locate-1", output: null });
});

it("submits what a tool throws, and what is no JSON, as errors", async () => {
  store.answerTools(() => ({
    locate: () => {
      throw new Error("no permission");
    },
    count: () => 10n,
  }));
  stream.send([status("requires_action", 1), asks("locate-1", "count-2")]);
  const results = [await world.call(), await world.call()].map(({ body }) => body.results[0]);
  expect(results.toSorted((a, b) => (a.tool_call_id < b.tool_call_id ? 1 : -1))).toEqual([
    { tool_call_id: "locate-1", output: { error: "no permission" }, is_error: true },
    {
      tool_call_id: "count-2",
      output: { error: expect.stringContaining("BigInt") },
      is_error: true,
    },
  ]);
});

it("takes a conflict for what it is: another page was first", async () => {
  let runs = 0;
  store.answerTools(() => ({ locate: () => void runs++ }));
  stream.send([status("requires_action", 1), asks("locate-1")]);
  (await world.call()).refuse(409, "tool_result_mismatch");
  stream.send([{ type: "chat", data: chat() }]);
  await until(store, ({ transcript }) => transcript.chat !== null);
  expect(runs).toBe(1);
  expect(world.runtime.labels()).not.toContain("tool result again");
});

it("submits again what did not arrive, without running anything again", async () => {
  let runs = 0;
  store.answerTools(() => ({ locate: () => ++runs }));
  stream.send([status("requires_action", 1), asks("locate-1")]);
  (await world.call()).lose();
  expect(await world.runtime.fire("tool result again")).toBe(1_000);
  (await world.call()).refuse(500, "internal");
  expect(await world.runtime.fire("tool result again")).toBe(2_000);
  const call = await world.call();
  expect(call.body.results[0].output).toBe(1);
  call.answer(answered);
});

it("tells the model of a result that the server refuses", async () => {
  store.answerTools(() => ({ locate: () => "x".repeat(10) }));
  stream.send([status("requires_action", 1), asks("locate-1")]);
  (await world.call()).refuse(413, "payload_too_large");
  const again = await world.call();
  expect(again.body.results[0]).toMatchObject({ tool_call_id: "locate-1", is_error: true });
  again.answer(answered);
});

it("stops a tool whose result nobody waits for any more", async () => {
  const { tool, calls, once } = waitingTool();
  store.answerTools(() => ({ locate: tool }));
  stream.send([status("requires_action", 1), asks("locate-1")]);
  await once();
  stream.send([status("waiting", 1)]);
  await until(store, ({ transcript }) => transcript.actions === null);
  expect(calls[0]?.context.signal.aborted).toBe(true);
  calls[0]?.give("too late");
  expect(world.server.requests.some(({ path }) => path.includes("tool-results"))).toBe(false);
});

it("runs a tool again that was stopped because nobody looked at the chat any more", async () => {
  const { tool, calls, once } = waitingTool();
  const withdraw = store.answerTools(() => ({ locate: tool }));
  stream.send([status("requires_action", 1), asks("locate-1")]);
  await once();
  withdraw();
  store.close();
  expect(calls[0]?.context.signal.aborted).toBe(true);
  const again = once();
  store.answerTools(() => ({ locate: tool }));
  expect(calls).toHaveLength(1);
  calls[0]?.give("for nobody");
  await again;
  calls[1]?.give("for the chat");
  expect((await world.call()).body.results[0].output).toBe("for the chat");
});

it("runs on one page of a browser only, and on another when that one is gone", async () => {
  await world.close();
  const waiting: (() => void)[] = [];
  const exclusive: Runtime["exclusive"] = async (_name, signal, fn) => {
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      signal.addEventListener("abort", () => resolve());
    });
    if (!signal.aborted) await fn();
  };
  await open(Object.assign(new ManualRuntime(), { exclusive }));
  let runs = 0;
  store.answerTools(() => ({ locate: () => ++runs, count: () => ++runs }));
  stream.send([status("requires_action", 1), asks("locate-1", "count-2")]);
  await until(store, ({ transcript }) => transcript.actions !== null);
  expect(runs).toBe(0);
  // The other page answers the first and is closed before the second.
  stream.send([asks("count-2")]);
  await until(store, ({ transcript }) => transcript.actions?.actions.length === 1);
  for (const resolve of waiting) resolve();
  const call = await world.call();
  expect(call.body.results[0]).toEqual({ tool_call_id: "count-2", output: 1 });
  call.answer(answered);
  expect(runs).toBe(1);
});

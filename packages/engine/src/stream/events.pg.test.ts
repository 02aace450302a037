import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commitStep } from "../machine/transitions/commit-step.ts";
import { completeRequiresAction } from "../machine/transitions/complete-requires-action.ts";
import { enterRequiresAction } from "../machine/transitions/enter-requires-action.ts";
import { finishError } from "../machine/transitions/finish-error.ts";
import { retryTurn } from "../machine/transitions/retry-turn.ts";
import {
  foldEvents,
  newChatClient,
  StreamWorld,
  type TestClient,
} from "../../test/stream-world.ts";

let world: StreamWorld;

beforeAll(async () => {
  world = await StreamWorld.create();
});

afterAll(async () => await world.drop());

/** The last events, from the given type on. */
const since = (client: TestClient, type: string): string[] =>
  client.types().slice(client.types().lastIndexOf(type));

describe("events of a sync", () => {
  it("come in order, with what a client has to do and until when (C30)", async () => {
    const id = await world.running();
    const client = await (await world.open(id)).ready();
    const call = (tool_call_id: string) =>
      ({ type: "tool-call", tool_call_id, tool_name: "ask", input: { q: 1 } }) as const;
    await world.update(id, async (bundle) => {
      await commitStep(bundle, {
        messages: [
          { role: "assistant", parts: [call("a"), call("b")], finish_reason: "tool_calls" },
        ],
        executions: ["a", "b"].map((tool_call_id) => ({
          tool_call_id,
          tool_name: "ask",
          kind: "client" as const,
          needs_approval: false,
        })),
      });
      await enterRequiresAction(bundle);
    });
    await client.until((c) => c.types().includes("action_required"));
    expect(since(client, "message")).toEqual(["message", "status", "action_required"]);
    const { actions } = foldEvents(client.events);
    expect(actions?.actions.map((action) => action.tool_call_id)).toEqual(["a", "b"]);
    expect(actions?.deadline_at).toEqual(expect.any(String));
    const joiner = await (await world.open(id)).ready();
    expect(foldEvents(joiner.events).actions).toEqual(actions);
    joiner.subscription?.close();

    const submit = async (tool_call_id: string): Promise<void> => {
      await world.update(id, async (bundle) => {
        await completeRequiresAction(bundle, {
          results: [{ tool_call_id, output: 42, is_error: false }],
          submitted_by: world.owner,
        });
      });
    };
    await submit("a");
    await client.until((c) => foldEvents(c.events).actions?.actions.length === 1);
    expect(since(client, "message")).toEqual(["message", "action_required"]);
    await submit("b");
    await client.until((c) => foldEvents(c.events).status?.status === "running");
    expect(since(client, "message")).toEqual(["message", "status"]);
    expect(foldEvents(client.events).actions).toBeNull();
    expect(foldEvents(client.events).messages).toEqual(await world.history(id));
    client.subscription?.close();
  });

  it("tell of an error, keep it for joiners, and take it back", async () => {
    const id = await world.running();
    const client = await (await world.open(id)).ready();
    const error = { kind: "auth", message: "The key is refused.", retryable: false } as const;
    await world.update(id, async (bundle) => {
      await finishError(bundle, { error });
    });
    await client.until((c) => c.types().at(-1) === "error");
    expect(since(client, "status")).toEqual(["status", "error"]);
    const joiner = await (await world.open(id)).ready();
    expect(foldEvents(joiner.events).error).toEqual(error);
    await world.update(id, async (bundle) => await retryTurn(bundle));
    for (const c of [client, joiner]) {
      await c.until(() => c.types().at(-1) === "status");
      expect(foldEvents(c.events).error).toBeNull();
      c.subscription?.close();
    }
  });

  it("of metadata are a `chat` and nothing else", async () => {
    const id = await world.running();
    const client = await (await world.open(id)).ready();
    await world.machine.transaction(async (tx) => {
      await tx.patch(id, { title: "A title", pinned: true });
    });
    await client.until((c) => c.types().at(-1) === "chat");
    expect(since(client, "ready")).toEqual(["ready", "chat"]);
    expect(client.events.at(-1)?.data).toMatchObject({ title: "A title", pinned: true });
    client.subscription?.close();
  });

  it("of ownership are nothing at all", async () => {
    const id = await world.running();
    const client = await (await world.open(id)).ready();
    await world.own(id);
    await world.update(id, async () => {});
    await world.send(id, "wait");
    await client.until((c) => c.types().at(-1) === "queue_update");
    expect(since(client, "ready")).toEqual(["ready", "queue_update"]);
    client.subscription?.close();
  });
});

describe("a stream that cannot begin", () => {
  it("because the chat has gone since it was authorized is an ordinary answer", async () => {
    const id = await world.running();
    const chat = await world.chat(id);
    await world.sql(`delete from parley.chats where id = '${id}'`);
    const sink = newChatClient();
    const request = { chat, principalId: world.owner, cursor: null, sink };
    await expect(world.streams.open(request)).rejects.toMatchObject({ code: "chat_not_found" });
    expect(sink.events).toEqual([]);
    expect(sink.closed).toBeNull();
    expect(world.streams.stats()).toEqual({ feeds: 0, subscribers: 0 });
  });

  it("because its client has gone leaves nothing behind (C31)", async () => {
    const id = await world.running();
    const chat = await world.chat(id);
    const gone = new AbortController();
    const sink = newChatClient();
    const { signal } = gone;
    const request = { chat, principalId: world.owner, cursor: null, sink, signal };
    const opening = world.streams.open(request);
    gone.abort();
    await expect(opening).rejects.toMatchObject({ name: "AbortError" });
    expect(world.streams.stats()).toEqual({ feeds: 0, subscribers: 0 });
  });
});

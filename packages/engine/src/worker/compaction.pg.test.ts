import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Cluster, type Replica } from "../../test/replica.ts";
import { calls, fails, hangs, says, type Script } from "../../test/scripted-models.ts";
import type { MessageRow } from "../domain/rows.ts";
import { editMessage } from "../machine/transitions/edit-message.ts";
import { requestCompaction } from "../machine/transitions/request-compaction.ts";
import type { ModelRequest } from "../models/model-port.ts";
import { defineTool } from "../tools/tool.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

const windowTokens = 1_000;
const overflow = (): Script => fails("context_overflow", false);

/** Says something that has filled so much of the window. */
function fills(input_tokens: number, value = "ok"): Script {
  return async (speaker) => {
    speaker.text(value);
    speaker.usage = { input_tokens, output_tokens: 0 };
  };
}

async function compact(replica: Replica, id: string): Promise<void> {
  await replica.machine.update(id, async (bundle) => await requestCompaction(bundle), {
    acquire: true,
    operation: "api.compact",
  });
}

/** Every message of the history as one line. */
const linesOf = (rows: readonly MessageRow[]): string[] =>
  rows.map(({ role, visibility, is_boundary, parts }) => {
    const words = parts.map((part) => {
      if (part.type === "text") return is_boundary ? part.text.split("\n").at(-1) : part.text;
      if (part.type === "tool-call") return `calls ${part.tool_name}`;
      if (part.type === "tool-result") return `result ${JSON.stringify(part.output)}`;
      return "";
    });
    const seen = visibility === "both" ? "" : ` (${visibility})`;
    return `${role}${seen}: ${words.filter(Boolean).join(" ")}`;
  });

const history = async (id: string): Promise<string[]> => linesOf(await cluster.history(id));

const promptOf = ({ messages }: ModelRequest): string[] =>
  messages.map(({ role, parts }) => {
    const words = parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
    return `${role}: ${words.join(" ").split("\n").at(-1)}`;
  });

const shown = ["assistant (user): calls compact_context", 'tool (user): result "in short"'];

describe("asked for between turns", () => {
  test("commits a boundary, replays nothing and runs nothing else", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says("hi"), says("in short"), says("again"));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    const before = await cluster.history(id);
    await compact(replica, id);
    const row = await cluster.untilIdle(id);
    expect(row).toMatchObject({
      status: "waiting",
      compaction_requested_at: null,
      compact_only: false,
      turn_message_id: before[0]?.id,
    });
    expect(await history(id)).toEqual([
      "user: hello",
      "assistant: hi",
      "system (model): in short",
      ...shown,
    ]);
    expect((await cluster.history(id)).slice(0, 2)).toEqual(before);
    expect(replica.models.requests).toHaveLength(2);
    expect(replica.models.requests[1]).toMatchObject({ purpose: "compaction", tools: [] });

    await replica.send(id, "what now?");
    await cluster.untilIdle(id);
    expect(promptOf(await replica.models.request(3))).toEqual([
      "system: in short",
      "user: what now?",
    ]);
  });

  test("costs two write transactions and no read besides the API's", async () => {
    const replica = await cluster.replica();
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    replica.models.enqueue(says("in short"));
    const stats = replica.database.stats.snapshot();
    await compact(replica, id);
    await cluster.untilIdle(id);
    const { operations } = replica.database.stats.since(stats);
    expect(operations["worker.begin"]?.writes).toBe(1);
    expect(operations["worker.step"]?.writes).toBe(1);
  });

  test("a message that arrives meanwhile is answered after it; one that steers, in the same bundle", async () => {
    for (const manner of ["queue", "steer"] as const) {
      const replica = await cluster.replica();
      const gate = Promise.withResolvers<void>();
      replica.models.enqueue(says("hi"), async (speaker) => {
        await speaker.wait(gate.promise);
        speaker.text("in short");
      });
      const id = await replica.create("hello");
      await cluster.untilIdle(id);
      await compact(replica, id);
      await replica.models.request(2);
      await replica.send(id, "next", manner);
      gate.resolve();
      await replica.models.request(3);
      await cluster.untilIdle(id);
      expect(await history(id)).toEqual([
        "user: hello",
        "assistant: hi",
        "system (model): in short",
        ...shown,
        "user: next",
        "assistant: ok",
      ]);
      expect(promptOf(await replica.models.request(3))).toEqual(["system: in short", "user: next"]);
      await cluster.reset();
    }
  });

  test("a call that fails for good leaves the history as it was, and says what happened", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says("hi"), fails("auth", false));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    await compact(replica, id);
    const row = await cluster.untilIdle(id);
    expect(row).toMatchObject({ status: "error", compaction_requested_at: null });
    expect(row.last_error).toMatchObject({
      kind: "auth",
      message: expect.stringContaining("could not be compacted"),
    });
    expect(await history(id)).toEqual(["user: hello", "assistant: hi"]);
  });

  test("is tried again by the policy of every model call", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says("hi"), fails("overloaded", true, "half"), says("in short"));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    await compact(replica, id);
    const waiting = await cluster.until(id, (row) => row.retry_state !== null);
    expect(waiting.retry_state).toMatchObject({ kind: "overloaded", attempt: 1 });
    await replica.passTime(cluster.untilIdle(id));
    expect(await history(id)).toEqual([
      "user: hello",
      "assistant: hi",
      "system (model): in short",
      ...shown,
    ]);
  });

  test("an empty summary is tried again, and is an error at last", async () => {
    const replica = await cluster.replica();
    const empty: Script = async () => "stop";
    replica.models.enqueue(says("hi"), empty, empty, empty, says("never"));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    await compact(replica, id);
    const row = await replica.passTime(cluster.untilIdle(id));
    expect(row.last_error).toMatchObject({ kind: "empty_response" });
    expect(replica.models.requests).toHaveLength(4);
  });

  test("a second one summarises the first and what came since", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says("hi"), says("first summary"), says("and?"), says("in short"));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    await compact(replica, id);
    await cluster.untilIdle(id);
    await replica.send(id, "more");
    await cluster.untilIdle(id);
    await compact(replica, id);
    await cluster.untilIdle(id);
    const asked = JSON.stringify((await replica.models.request(4)).messages);
    expect(asked).toContain("first summary");
    expect(asked).toContain("more");
    expect(asked).not.toContain("hello");
    expect((await history(id)).slice(-3)).toEqual(["system (model): in short", ...shown]);
  });

  test("has nothing to do directly after one", async () => {
    const replica = await cluster.replica();
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    await compact(replica, id);
    await cluster.untilIdle(id);
    await expect(compact(replica, id)).rejects.toMatchObject({ code: "nothing_to_compact" });
  });
});

describe("the compaction's own call", () => {
  test("shows progress, appends nothing, and leaves nothing where it is interrupted", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says("hi"), hangs("half a summary"));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    await compact(replica, id);
    await replica.models.request(2);
    const { history_version, generation_attempt } = await cluster.chat(id);
    const view = replica.parts.read({ chat_id: id, history_version, generation_attempt });
    expect(view?.seq).toBeGreaterThan(0);
    expect(view?.parts).toEqual([]);
    await replica.interrupt(id);
    const row = await cluster.untilIdle(id);
    expect(row).toMatchObject({ status: "waiting", compaction_requested_at: null });
    expect(await history(id)).toEqual(["user: hello", "assistant: hi"]);
  });

  test("goes to the model that is configured for it, where there is one", async () => {
    const replica = await cluster.replica({ worker: { compaction: { model: "test/small" } } });
    replica.models.enqueue(says("hi"), says("in short"));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    await compact(replica, id);
    await cluster.untilIdle(id);
    expect(replica.models.requests.map(({ model }) => model)).toEqual(["test/model", "test/small"]);
    const rows = await cluster.history(id);
    expect(rows.find(({ visibility }) => visibility === "user")).toMatchObject({
      model: "test/small",
      usage: { input_tokens: 1 },
    });
  });

  test("is cut in halves until it fits", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says("word ".repeat(2_000)), overflow(), overflow(), says("in short"));
    replica.models.windows.set("test/model", 4_000);
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    await compact(replica, id);
    const row = await cluster.untilIdle(id);
    expect(row.status).toBe("waiting");
    const sizes = replica.models.requests
      .slice(1)
      .map(({ messages }) => JSON.stringify(messages).length);
    expect(sizes).toHaveLength(3);
    expect(sizes[1]).toBeLessThan(sizes[0] ?? 0);
    expect(sizes[2]).toBeLessThan(sizes[1] ?? 0);
  });

  test("that never fits is an error that says so", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says("hi"), ...Array.from({ length: 9 }, overflow));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    await compact(replica, id);
    const row = await cluster.untilIdle(id);
    expect(row.last_error).toMatchObject({
      kind: "context_overflow",
      message: expect.stringContaining("could not be compacted"),
    });
    expect(replica.models.requests).toHaveLength(6);
  });

  test("is taken over from an owner that is gone", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says("hi"), hangs("half"));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    await compact(replica, id);
    await replica.models.request(2);
    await replica.kill();
    const next = await cluster.replica();
    next.models.enqueue(says("in short"));
    await cluster.bury(next);
    await cluster.untilIdle(id);
    expect(await history(id)).toEqual([
      "user: hello",
      "assistant: hi",
      "system (model): in short",
      ...shown,
    ]);
  });

  test("gives way to an edit", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says("hi"), hangs(), says("new"));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    const [first] = await cluster.history(id);
    await compact(replica, id);
    await replica.models.request(2);
    await replica.machine.update(
      id,
      async (bundle) =>
        await editMessage(bundle, {
          message_id: first?.id ?? 0,
          parts: [{ type: "text", text: "hello again" }],
          client_id: null,
          created_by: null,
          keep_queue: false,
        }),
      { acquire: true },
    );
    await cluster.untilIdle(id);
    expect(await history(id)).toEqual(["user: hello again", "assistant: new"]);
  });
});

describe("by itself", () => {
  const small = async (over: Parameters<Cluster["replica"]>[0] = {}): Promise<Replica> => {
    const replica = await cluster.replica(over);
    replica.models.windows.set("test/model", windowTokens);
    return replica;
  };

  test("before the call that would have too little room, with the new message after the summary", async () => {
    const replica = await small();
    replica.models.enqueue(fills(700), says("in short"), says("answer"));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    expect(replica.models.requests).toHaveLength(1);
    await replica.send(id, "next");
    const row = await cluster.untilIdle(id);
    expect(await history(id)).toEqual([
      "user: hello",
      "assistant: ok",
      "user: next",
      "system (model): in short",
      "user (model): next",
      ...shown,
      "assistant: answer",
    ]);
    expect(promptOf(await replica.models.request(3))).toEqual(["system: in short", "user: next"]);
    const rows = await cluster.history(id);
    expect(row.turn_message_id).toBe(rows[2]?.id);
  });

  test("not below the share, not without knowing the window, not where it is turned off", async () => {
    const below = await small();
    below.models.enqueue(fills(600), says("a"));
    const unknown = await cluster.replica({ worker: { compaction: { windowTokensDefault: 0 } } });
    unknown.models.enqueue(fills(1_000_000), says("a"));
    const off = await small({ worker: { compaction: { percent: 0 } } });
    off.models.enqueue(fills(999), says("a"));
    for (const replica of [below, unknown, off]) {
      const id = await replica.create("hello");
      await cluster.untilIdle(id);
      await replica.send(id, "next");
      await cluster.untilIdle(id);
      expect((await history(id)).some((line) => line.includes("compact_context"))).toBe(false);
    }
  });

  test("in the middle of a turn, which goes on; its steps are counted on", async () => {
    const look = defineTool({
      name: "look",
      description: "",
      input: { type: "object" },
      execute: () => "x".repeat(100),
    });
    const replica = await small({ tools: [look], worker: { stepsMax: 6 } });
    const calling =
      (id: string, input_tokens: number): Script =>
      async (speaker) => {
        speaker.call(id, "look");
        speaker.usage = { input_tokens, output_tokens: 0 };
        return "tool_calls";
      };
    replica.models.enqueue(
      calling("c1", 300),
      calling("c2", 800),
      says("in short"),
      calling("c3", 300),
      says("never"),
    );
    const id = await replica.create("work");
    const row = await cluster.untilIdle(id);
    expect(row.last_error).toMatchObject({ kind: "step_limit" });
    expect(await history(id)).toEqual([
      "user: work",
      "assistant: calls look",
      expect.stringContaining("tool: result"),
      "assistant: calls look",
      expect.stringContaining("tool: result"),
      "system (model): in short",
      "user (model): work",
      ...shown,
      "assistant: calls look",
      expect.stringContaining("tool: result"),
    ]);
    expect(promptOf(await replica.models.request(4))).toEqual(["system: in short", "user: work"]);
  });

  test("where it fails for good, the turn goes on without", async () => {
    const replica = await small();
    replica.models.enqueue(fills(700), fails("auth", false), fills(710, "answer"));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    await replica.send(id, "next");
    const row = await cluster.untilIdle(id);
    expect(row.status).toBe("waiting");
    expect((await history(id)).at(-1)).toBe("assistant: answer");
  });

  test("never in a loop: a summary that helps nothing is not followed by another", async () => {
    const replica = await small();
    replica.models.enqueue(
      fills(700),
      says("in short"),
      ...Array.from({ length: 3 }, () => fills(900)),
    );
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    for (const words of ["b", "c", "d"]) {
      await replica.send(id, words);
      await cluster.untilIdle(id);
    }
    expect(replica.models.requests.filter(({ purpose }) => purpose === "compaction")).toHaveLength(
      1,
    );
  });
});

describe("a context that has overflowed", () => {
  test("is compacted, and the turn goes on", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says("hi"), overflow(), says("in short"), says("answer"));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    await replica.send(id, "next");
    const row = await cluster.untilIdle(id);
    expect(row.status).toBe("waiting");
    expect(await history(id)).toEqual([
      "user: hello",
      "assistant: hi",
      "user: next",
      "system (model): in short",
      "user (model): next",
      ...shown,
      "assistant: answer",
    ]);
  });

  test("once: where that does not help, the error says so", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says("hi"), overflow(), says("in short"), overflow(), says("never"));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    await replica.send(id, "next");
    const row = await cluster.untilIdle(id);
    expect(row.last_error).toMatchObject({
      kind: "context_overflow",
      message: expect.stringContaining("just been compacted"),
    });
    expect(replica.models.requests).toHaveLength(4);
    await expect(compact(replica, id)).rejects.toMatchObject({ code: "nothing_to_compact" });
  });

  test("with nothing to compact is the provider's error", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(overflow());
    const id = await replica.create("far too long");
    const row = await cluster.untilIdle(id);
    expect(row.last_error).toMatchObject({
      kind: "context_overflow",
      message: "scripted: context_overflow",
    });
    expect(replica.models.requests).toHaveLength(1);
  });

  test("again and again in one turn ends the turn", async () => {
    const look = defineTool({
      name: "look",
      description: "",
      input: { type: "object" },
      execute: () => "a lot",
    });
    const replica = await cluster.replica({ tools: [look] });
    const rounds = Array.from({ length: 9 }, (_, i) => [
      calls([`c${i}`, "look"]),
      overflow(),
      says("in short"),
    ]);
    replica.models.enqueue(...rounds.flat());
    const id = await replica.create("hello");
    const row = await cluster.untilIdle(id);
    expect(row.last_error).toMatchObject({
      kind: "context_overflow",
      message: expect.stringContaining("3 times"),
    });
    expect(replica.models.requests.filter(({ purpose }) => purpose === "compaction")).toHaveLength(
      3,
    );
  });

  test("is mended by hand from the error state, and the failed turn goes on (C37)", async () => {
    const replica = await cluster.replica({ worker: { compaction: { percent: 0 } } });
    replica.models.enqueue(says("hi"), overflow(), says("in short"), says("answer"));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    await replica.send(id, "next");
    const failed = await cluster.untilIdle(id);
    expect(failed.last_error).toMatchObject({ kind: "context_overflow" });
    await compact(replica, id);
    const row = await cluster.untilIdle(id);
    expect(row).toMatchObject({ status: "waiting", last_error: null });
    expect((await history(id)).slice(2)).toEqual([
      "user: next",
      "system (model): in short",
      "user (model): next",
      ...shown,
      "assistant: answer",
    ]);
  });

  test("is taken over in the middle of its recovery", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says("hi"), overflow(), hangs("half"));
    const id = await replica.create("hello");
    await cluster.untilIdle(id);
    await replica.send(id, "next");
    await replica.models.request(3);
    await replica.kill();
    const next = await cluster.replica();
    next.models.enqueue(overflow(), says("in short"), says("answer"));
    await cluster.bury(next);
    await cluster.untilIdle(id);
    expect((await history(id)).at(-1)).toBe("assistant: answer");
  });
});

test("a copy that a boundary replays is no target of an edit; the message itself is, and takes the boundary away", async () => {
  const replica = await cluster.replica();
  replica.models.enqueue(says("hi"), overflow(), says("in short"), says("answer"), says("new"));
  const id = await replica.create("hello");
  await cluster.untilIdle(id);
  await replica.send(id, "next");
  await cluster.untilIdle(id);
  const rows = await cluster.history(id);
  const edit = async (message: MessageRow | undefined): Promise<unknown> =>
    await replica.machine.update(
      id,
      async (bundle) =>
        await editMessage(bundle, {
          message_id: message?.id ?? 0,
          parts: [{ type: "text", text: "other" }],
          client_id: null,
          created_by: null,
          keep_queue: false,
        }),
      { acquire: true },
    );
  const copy = rows.find(({ role, visibility }) => role === "user" && visibility === "model");
  await expect(edit(copy)).rejects.toMatchObject({ code: "message_not_found" });
  await edit(rows[2]);
  await cluster.untilIdle(id);
  expect(await history(id)).toEqual([
    "user: hello",
    "assistant: hi",
    "user: other",
    "assistant: new",
  ]);
  expect(promptOf(await replica.models.request(5))).toEqual([
    "user: hello",
    "assistant: hi",
    "user: other",
  ]);
});

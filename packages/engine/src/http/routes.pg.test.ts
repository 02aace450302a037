import { randomUUID } from "node:crypto";
import type { Chat } from "@parley/protocol";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { calling, chatIn, reply } from "../../test/chat-in-state.ts";
import { startHttpServer, type TestHttpServer } from "../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { commitStep } from "../machine/transitions/commit-step.ts";
import { enterRequiresAction } from "../machine/transitions/enter-requires-action.ts";
import { finishTurn } from "../machine/transitions/finish-turn.ts";

/** Every route does what it says, and answers in the shape that its schema promises (the server checks that itself). */

let db: TestDatabase;
let http: TestHttpServer;
beforeAll(async () => {
  db = await createTestDatabase();
  http = await startHttpServer(db.database);
});
afterAll(async () => {
  await http?.close();
  await db?.drop();
});
beforeEach(() => void http.commits.splice(0));

const api = "/api/v1";
const at = (id: string, rest = ""): string => `${api}/chats/${id}${rest}`;

async function newChat(body: Record<string, unknown> = {}): Promise<Chat> {
  const answer = await http.call("POST", `${api}/chats`, { body: { content: "hello", ...body } });
  expect(answer.status).toBe(201);
  return answer.body.chat;
}

/** The worker's part: the reply is there and the turn is over. */
async function finish(chatId: string): Promise<void> {
  await http.machine.update(chatId, async (bundle) => {
    await commitStep(bundle, { messages: [reply("an answer")] });
    await finishTurn(bundle);
  });
}

describe("chats", () => {
  test("POST /chats makes a running chat with its first message", async () => {
    const answer = await http.call("POST", `${api}/chats`, {
      body: {
        content: [
          { type: "text", text: "what is this?" },
          { type: "file", media_type: "image/png", data: "aGk=", filename: "x.png" },
        ],
        model: "demo/echo",
        reasoning_effort: "low",
        system_prompt: "be brief",
        title: " A title ",
        labels: { project: "x" },
        client_tools: [{ name: "where", input_schema: { type: "object" }, deadline_seconds: 5 }],
        client_id: "c-1",
      },
    });
    expect(answer.status).toBe(201);
    const { chat, messages } = answer.body;
    expect(chat).toMatchObject({
      status: "running",
      archived: false,
      title: "A title",
      model: "demo/echo",
      reasoning_effort: "low",
      system_prompt: "be brief",
      labels: { project: "x" },
      owner_id: http.caller.principalId,
      parent_chat_id: null,
      root_chat_id: chat.id,
      snapshot_version: 1,
      history_version: 1,
      generation_attempt: 0,
      last_error: null,
      turn_message_id: messages[0].id,
    });
    expect(chat.client_tools).toEqual([
      { name: "where", input_schema: { type: "object" }, deadline_seconds: 5 },
    ]);
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatchObject({
      chat_id: chat.id,
      role: "user",
      visibility: "both",
      revision: 1,
      client_id: "c-1",
      created_by: http.caller.principalId,
      finish_reason: null,
    });
    expect(messages[0].parts).toEqual([
      { type: "text", text: "what is this?" },
      { type: "file", media_type: "image/png", data: "aGk=", filename: "x.png" },
    ]);
    expect(http.commits).toHaveLength(1);
  });

  test("without a model the default one answers", async () => {
    expect((await newChat()).model).toBe("demo/demo");
  });

  test("GET /chats/{id} gives the chat, and makes no transaction that writes", async () => {
    const chat = await newChat();
    const answer = await http.call("GET", at(chat.id));
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject(chat);
    expect(answer.body.chat).toEqual(chat);
    expect((await http.call("GET", at(chat.id.toUpperCase()))).body.id).toBe(chat.id);
    expect((await http.call("HEAD", at(chat.id))).status).toBe(200);
  });

  test("PATCH writes metadata: no execution version moves, and streams are told", async () => {
    const chat = await newChat();
    http.commits.splice(0);
    const patch = {
      title: "New",
      labels: { a: "1" },
      pinned: true,
      model: "demo/echo",
      reasoning_effort: "high",
      system_prompt: null,
      client_tools: [],
    };
    const answer = await http.call("PATCH", at(chat.id), { body: patch });
    expect(answer.status).toBe(200);
    expect(answer.body.chat).toEqual({
      ...chat,
      ...patch,
      metadata_version: chat.metadata_version + 1,
      updated_at: answer.body.chat.updated_at,
    });
    expect(http.commits).toHaveLength(1);
    expect(http.commits[0]?.chat).toMatchObject({ title: "New", snapshot_version: 1 });

    const same = await http.call("PATCH", at(chat.id), { body: { title: "New" } });
    expect(same.body.chat.metadata_version).toBe(chat.metadata_version + 1);
    expect(http.commits).toHaveLength(1);
  });

  test("PATCH archived archives and unarchives; doing it twice changes nothing", async () => {
    const { id } = await chatIn(http.world, "W");
    const archived = await http.call("PATCH", at(id), { body: { archived: true, title: "Old" } });
    expect(archived.body.chat).toMatchObject({ archived: true, title: "Old", status: "waiting" });
    const again = await http.call("PATCH", at(id), { body: { archived: true } });
    expect(again.status).toBe(200);
    expect(again.body.chat.snapshot_version).toBe(archived.body.chat.snapshot_version);
    const back = await http.call("PATCH", at(id), { body: { archived: false } });
    expect(back.body.chat).toMatchObject({ archived: false });
    expect(back.body.chat.snapshot_version).toBe(again.body.chat.snapshot_version + 1);
  });

  test("PATCH archived of a running chat is refused, and nothing of it is done", async () => {
    const chat = await newChat();
    const answer = await http.call("PATCH", at(chat.id), { body: { archived: true, title: "x" } });
    expect(answer.status).toBe(409);
    expect(answer.body.code).toBe("transition_rejected");
    expect((await http.call("GET", at(chat.id))).body.title).toBe(null);
  });

  test("DELETE removes the chat for good", async () => {
    const chat = await newChat();
    const answer = await http.call("DELETE", at(chat.id));
    expect(answer.status).toBe(204);
    expect(answer.text).toBe("");
    for (const [method, rest] of [
      ["GET", ""],
      ["GET", "/messages"],
      ["DELETE", ""],
      ["POST", "/retry"],
    ] as const) {
      const gone = await http.call(method, at(chat.id, rest));
      expect([gone.status, gone.body.code]).toEqual([404, "chat_not_found"]);
    }
  });

  test("POST /fork copies the history up to a message, without client ids", async () => {
    const chat = await newChat({ title: "Source", client_id: randomUUID() });
    await finish(chat.id);
    await http.call("POST", at(chat.id, "/messages"), { body: { content: "more" } });
    const { messages } = (await http.call("GET", at(chat.id, "/messages"))).body;
    const answer = await http.call("POST", at(chat.id, "/fork"), {
      body: { message_id: messages[1].id, title: "Fork" },
    });
    expect(answer.status).toBe(201);
    expect(answer.body.chat).toMatchObject({
      status: "waiting",
      title: "Fork",
      parent_chat_id: null,
    });
    const copied = (await http.call("GET", at(answer.body.chat.id, "/messages"))).body.messages;
    expect(copied.map((message: { parts: unknown }) => message.parts)).toEqual(
      messages.slice(0, 2).map((message: { parts: unknown }) => message.parts),
    );
    expect(copied.map((message: { client_id: unknown }) => message.client_id)).toEqual([
      null,
      null,
    ]);

    const whole = await http.call("POST", at(chat.id, "/fork"));
    expect(whole.body.chat.title).toBe("Source");
    const unknown = await http.call("POST", at(chat.id, "/fork"), {
      body: { message_id: 999_999 },
    });
    expect([unknown.status, unknown.body.code]).toEqual([404, "message_not_found"]);
  });

  test("POST /title gives a title", async () => {
    const chat = await newChat();
    const answer = await http.call("POST", at(chat.id, "/title"), { body: { title: "Mine" } });
    expect(answer.status).toBe(200);
    expect(answer.body.chat).toMatchObject({ title: "Mine", snapshot_version: 1 });
  });

  test("POST /clear sets a boundary that people see", async () => {
    const { id } = await chatIn(http.world, "W");
    const answer = await http.call("POST", at(id, "/clear"));
    expect(answer.status).toBe(200);
    expect(answer.body.messages).toHaveLength(1);
    expect(answer.body.messages[0]).toMatchObject({ is_boundary: true, visibility: "user" });
    const again = await http.call("POST", at(id, "/clear"), { body: {} });
    expect([again.status, again.body.code]).toEqual([409, "nothing_to_clear"]);
  });
});

describe("messages", () => {
  test("GET /messages pages both ways, oldest first, with the queue", async () => {
    const chat = await newChat({ content: "0" });
    await finish(chat.id);
    for (const content of ["1", "2"]) {
      await http.call("POST", at(chat.id, "/messages"), { body: { content } });
      await finish(chat.id);
    }
    await http.call("POST", at(chat.id, "/messages"), { body: { content: "3" } });
    await http.call("POST", at(chat.id, "/messages"), { body: { content: "waits" } });
    const page = async (query: string): Promise<[string[], boolean]> => {
      const { body } = await http.call("GET", at(chat.id, `/messages${query}`));
      expect(body.queue).toHaveLength(1);
      type Message = { parts: { text: string }[] };
      return [body.messages.map((m: Message) => m.parts[0]?.text), body.has_more];
    };
    const all = ["0", "an answer", "1", "an answer", "2", "an answer", "3"];
    expect(await page("")).toEqual([all, false]);
    expect(await page("?limit=2")).toEqual([["an answer", "3"], true]);
    const ids: number[] = (await http.call("GET", at(chat.id, "/messages"))).body.messages.map(
      (m: { id: number }) => m.id,
    );
    expect(await page(`?limit=2&before=${ids[5]}`)).toEqual([["an answer", "2"], true]);
    expect(await page(`?before=${ids[2]}`)).toEqual([["0", "an answer"], false]);
    expect(await page(`?limit=2&after=${ids[3]}`)).toEqual([["2", "an answer"], true]);
    expect(await page(`?after=${ids[4]}`)).toEqual([["an answer", "3"], false]);
    expect(await page("?after=0")).toEqual([all, false]);
    const both = await http.call("GET", at(chat.id, "/messages?after=1&before=5"));
    expect([both.status, both.body.code]).toEqual([400, "invalid_request"]);
  });

  test("POST /messages enters an idle chat, queues in a busy one", async () => {
    const { id } = await chatIn(http.world, "W");
    const entered = await http.call("POST", at(id, "/messages"), {
      body: { content: "go", model: "demo/echo", reasoning_effort: "low", client_id: "m-1" },
    });
    expect(entered.status).toBe(200);
    expect(entered.body.queued).toBe(null);
    expect(entered.body.chat.status).toBe("running");
    expect(entered.body.messages).toHaveLength(1);
    expect(entered.body.messages[0]).toMatchObject({ role: "user", model: "demo/echo" });

    const queued = await http.call("POST", at(id, "/messages"), {
      body: { content: "then", client_id: "m-2" },
    });
    expect(queued.body.messages).toEqual([]);
    expect(queued.body.queued).toMatchObject({
      chat_id: id,
      position: 0,
      when_busy: "queue",
      client_id: "m-2",
      parts: [{ type: "text", text: "then" }],
    });
    const steering = await http.call("POST", at(id, "/messages"), {
      body: { content: "left!", when_busy: "steer" },
    });
    expect(steering.body.queued).toMatchObject({ position: 1, when_busy: "steer" });
    const rejected = await http.call("POST", at(id, "/messages"), {
      body: { content: "now", when_busy: "reject" },
    });
    expect([rejected.status, rejected.body.code]).toEqual([409, "chat_busy"]);
    const interrupting = await http.call("POST", at(id, "/messages"), {
      body: { content: "stop that", when_busy: "interrupt" },
    });
    expect(interrupting.body.chat.status).toBe("interrupting");
    expect(interrupting.body.queued).toMatchObject({ position: 0, when_busy: "interrupt" });
  });

  test("a full queue says so", async () => {
    const chat = await newChat();
    for (let i = 0; i < 20; i++) {
      await http.call("POST", at(chat.id, "/messages"), { body: { content: `${i}` } });
    }
    const answer = await http.call("POST", at(chat.id, "/messages"), { body: { content: "x" } });
    expect([answer.status, answer.body.code]).toEqual([409, "queue_full"]);
    expect(answer.body.details).toEqual({ max: 20 });
  });

  test("PATCH /messages/{id} replaces it and what follows", async () => {
    const chat = await newChat({ content: "first" });
    await finish(chat.id);
    await http.call("POST", at(chat.id, "/messages"), { body: { content: "second" } });
    await http.call("POST", at(chat.id, "/messages"), { body: { content: "queued" } });
    const { messages } = (await http.call("GET", at(chat.id, "/messages"))).body;
    const kept = await http.call("PATCH", at(chat.id, `/messages/${messages[2].id}`), {
      body: { content: "second, better", keep_queue: true },
    });
    expect(kept.status).toBe(200);
    expect(kept.body.messages).toHaveLength(1);
    expect(kept.body.messages[0].parts).toEqual([{ type: "text", text: "second, better" }]);
    expect((await http.call("GET", at(chat.id, "/messages"))).body.queue).toHaveLength(1);

    const first = await http.call("PATCH", at(chat.id, `/messages/${messages[0].id}`), {
      body: { content: [{ type: "text", text: "anew" }], model: "demo/echo" },
    });
    expect(first.body.messages[0].model).toBe("demo/echo");
    const now = (await http.call("GET", at(chat.id, "/messages"))).body;
    expect(now.messages).toEqual(first.body.messages);
    expect(now.queue).toEqual([]);
    const gone = await http.call("PATCH", at(chat.id, `/messages/${messages[0].id}`), {
      body: { content: "again" },
    });
    expect([gone.status, gone.body.code]).toEqual([404, "message_not_found"]);
  });

  test("GET /messages/{id}/versions shows what edits replaced, each as it was then", async () => {
    const texts = (messages: { parts: { text: string }[] }[]) =>
      messages.map((m) => m.parts[0]?.text);
    const edit = async (id: number, content: string) => {
      const { body } = await http.call("PATCH", at(chat.id, `/messages/${id}`), {
        body: { content },
      });
      return body.messages[0];
    };
    const chat = await newChat({ content: "one" });
    await finish(chat.id);
    const two = await http.call("POST", at(chat.id, "/messages"), { body: { content: "two" } });
    await finish(chat.id);
    const twoAnew = await edit(two.body.messages[0].id, "two, anew");
    await finish(chat.id);
    const [one] = (await http.call("GET", at(chat.id, "/messages"))).body.messages;
    expect([one.replaces, twoAnew.replaces]).toEqual([null, two.body.messages[0].id]);
    const oneAnew = await edit(one.id, "one, anew");
    const oneAgain = await edit(oneAnew.id, "one, again");

    const path = at(chat.id, `/messages/${oneAgain.id}/versions`);
    const answer = await http.call("GET", path);
    expect(answer.status).toBe(200);
    expect(answer.body.versions.map((v: { messages: [] }) => texts(v.messages))).toEqual([
      ["one, anew"],
      ["one", "an answer", "two, anew", "an answer"],
    ]);
    // What was never edited has none; what is gone, or another chat's, is not found.
    const other = await newChat({ content: "unedited" });
    const { messages } = (await http.call("GET", at(other.id, "/messages"))).body;
    const none = await http.call("GET", at(other.id, `/messages/${messages[0].id}/versions`));
    expect(none.body).toEqual({ versions: [] });
    for (const [chatId, id] of [
      [chat.id, one.id],
      [other.id, oneAgain.id],
    ]) {
      const gone = await http.call("GET", at(chatId, `/messages/${id}/versions`));
      expect([gone.status, gone.body.code]).toEqual([404, "message_not_found"]);
    }
  });
});

describe("queue", () => {
  test("messages that wait can be edited, moved, steered and deleted (C25)", async () => {
    const { id, queued } = await chatIn(http.world, "R1", { queue: ["queue", "queue", "queue"] });
    const [a, b, c] = queued;
    type Row = { id: number; when_busy: string; parts: { text: string }[] };
    const order = (body: { queue: Row[] }): number[] => body.queue.map((row) => row.id);

    const edited = await http.call("PATCH", at(id, `/queue/${b}`), {
      body: { content: "edited", when_busy: "steer", position: 0 },
    });
    expect(edited.status).toBe(200);
    expect(order(edited.body)).toEqual([b, a, c]);
    expect(edited.body.queue[0]).toMatchObject({
      when_busy: "steer",
      position: 0,
      parts: [{ type: "text", text: "edited" }],
    });
    const moved = await http.call("PATCH", at(id, `/queue/${b}`), { body: { position: 99 } });
    expect(order(moved.body)).toEqual([a, c, b]);

    const deleted = await http.call("DELETE", at(id, `/queue/${a}`));
    expect(deleted.status).toBe(200);
    expect(order(deleted.body)).toEqual([c, b]);
    expect(deleted.body.chat.queue_version).toBe(deleted.body.chat.snapshot_version);

    const promoted = await http.call("POST", at(id, `/queue/${b}/promote`));
    expect(promoted.status).toBe(200);
    expect(order(promoted.body)).toEqual([b, c]);
    expect(promoted.body.chat.status).toBe("interrupting");
    expect(promoted.body.queue[0].when_busy).toBe("interrupt");
  });

  test("an unknown one is not found", async () => {
    const { id } = await chatIn(http.world, "R1");
    for (const [method, path, body] of [
      ["PATCH", "/queue/999999", { position: 0 }],
      ["DELETE", "/queue/999999", undefined],
      ["POST", "/queue/x/promote", {}],
      ["DELETE", "/queue/-1", undefined],
      ["DELETE", "/queue/99999999999999999999", undefined],
    ] as const) {
      const answer = await http.call(method, at(id, path), body === undefined ? {} : { body });
      expect([path, answer.status, answer.body.code]).toEqual([
        path,
        404,
        "queued_message_not_found",
      ]);
    }
  });
});

describe("the turn", () => {
  test("POST /compact sets an idle chat to work, where there is something to summarise", async () => {
    const { id } = await chatIn(http.world, "W");
    const answer = await http.call("POST", at(id, "/compact"));
    expect(answer.status).toBe(200);
    expect(answer.body.chat).toMatchObject({ id, status: "running" });
    const again = await http.call("POST", at(id, "/compact"), { body: {} });
    expect([again.status, again.body.code]).toEqual([409, "transition_rejected"]);
    const cleared = await chatIn(http.world, "W");
    await http.call("POST", at(cleared.id, "/clear"));
    const nothing = await http.call("POST", at(cleared.id, "/compact"));
    expect([nothing.status, nothing.body.code]).toEqual([409, "nothing_to_compact"]);
  });

  test("POST /retry runs a failed turn again", async () => {
    const { id } = await chatIn(http.world, "E0");
    const answer = await http.call("POST", at(id, "/retry"));
    expect(answer.status).toBe(200);
    expect(answer.body.chat).toMatchObject({ status: "running", last_error: null });
    const again = await http.call("POST", at(id, "/retry"), { body: {} });
    expect([again.status, again.body.code]).toEqual([409, "transition_rejected"]);
  });

  test("POST /reconcile repairs what is invalid and nothing else", async () => {
    const { id } = await chatIn(http.world, "Invalid");
    const refused = await http.call("POST", at(id, "/messages"), { body: { content: "x" } });
    expect([refused.status, refused.body.code]).toEqual([409, "invalid_state"]);
    const interrupted = await http.call("POST", at(id, "/interrupt"));
    expect([interrupted.status, interrupted.body.code]).toEqual([409, "invalid_state"]);
    const titled = await http.call("PATCH", at(id), { body: { title: "still mine" } });
    expect(titled.status).toBe(200);
    const answer = await http.call("POST", at(id, "/reconcile"));
    expect(answer.status).toBe(200);
    expect(answer.body.chat).toMatchObject({ status: "error", last_error: { kind: "reconciled" } });
    const again = await http.call("POST", at(id, "/reconcile"));
    expect([again.status, again.body.code]).toEqual([409, "transition_rejected"]);
  });

  test("POST /tool-results takes them one by one or together, and repeats", async () => {
    const { id, calls } = await chatIn(http.world, "A0", { calls: ["client", "client", "client"] });
    const [a, b, c] = calls;
    const submit = (results: unknown[]) =>
      http.call("POST", at(id, "/tool-results"), { body: { results } });

    const first = await submit([{ tool_call_id: a, output: { x: 1 } }]);
    expect(first.status).toBe(200);
    expect(first.body.chat.status).toBe("requires_action");
    expect(first.body.messages).toHaveLength(1);
    expect(first.body.messages[0].parts).toEqual([
      {
        type: "tool-result",
        tool_call_id: a,
        tool_name: "tool_client",
        output: { x: 1 },
        is_error: false,
      },
    ]);
    const repeated = await submit([{ tool_call_id: a, output: { x: 1 }, is_error: false }]);
    expect(repeated.status).toBe(200);
    expect(repeated.body).toEqual(first.body);
    const differs = await submit([{ tool_call_id: a, output: { x: 2 } }]);
    expect([differs.status, differs.body.code]).toEqual([409, "tool_result_mismatch"]);

    // What is known already comes along with what is new.
    const rest = await submit([
      { tool_call_id: a, output: { x: 1 } },
      { tool_call_id: c, output: "broken", is_error: true },
      { tool_call_id: b, output: null },
    ]);
    expect(rest.status).toBe(200);
    expect(rest.body.chat.status).toBe("running");
    type Part = { tool_call_id: string; is_error: boolean };
    expect(
      rest.body.messages[0].parts.map((part: Part) => [part.tool_call_id, part.is_error]),
    ).toEqual([
      [b, false],
      [c, true],
    ]);
    // From any state, without a transition.
    const late = await submit([{ tool_call_id: b, output: null }]);
    expect(late.status).toBe(200);
    expect(late.body.chat.snapshot_version).toBe(rest.body.chat.snapshot_version);
  });

  test("results that nobody waits for are refused", async () => {
    const { id } = await chatIn(http.world, "A0", { calls: ["client", "approval"] });
    const stranger = await http.call("POST", at(id, "/tool-results"), {
      body: { results: [{ tool_call_id: "nobody", output: 1 }] },
    });
    expect([stranger.status, stranger.body.code]).toEqual([409, "tool_result_mismatch"]);
    const idle = await chatIn(http.world, "W");
    const none = await http.call("POST", at(idle.id, "/tool-results"), {
      body: { results: [{ tool_call_id: "nobody", output: 1 }] },
    });
    expect([none.status, none.body.code]).toEqual([409, "transition_rejected"]);
  });

  test("POST /approvals records decisions; the first one wins", async () => {
    const { id, calls } = await chatIn(http.world, "A0", { calls: ["approval", "approval"] });
    const [a, b] = calls;
    const decide = (decisions: unknown[]) =>
      http.call("POST", at(id, "/approvals"), { body: { decisions } });
    const first = await decide([{ tool_call_id: a, decision: "approve" }]);
    expect(first.status).toBe(200);
    expect(first.body.chat.status).toBe("requires_action");
    const other = await decide([{ tool_call_id: a, decision: "deny" }]);
    expect([other.status, other.body.code]).toEqual([409, "tool_result_mismatch"]);
    const rest = await decide([
      { tool_call_id: a, decision: "approve" },
      { tool_call_id: b, decision: "deny", reason: "too risky" },
    ]);
    expect(rest.body.chat.status).toBe("running");
    const again = await decide([{ tool_call_id: b, decision: "deny" }]);
    expect(again.body.chat.snapshot_version).toBe(rest.body.chat.snapshot_version);
    const { messages } = (await http.call("GET", at(id, "/messages"))).body;
    expect(JSON.stringify(messages.at(-1))).toContain("too risky");
  });

  test("a client's call shows its deadline on the chat", async () => {
    const chat = await newChat();
    const { messages, executions } = calling(["client"]);
    await http.machine.update(chat.id, async (bundle) => {
      await commitStep(bundle, { messages, executions });
      await enterRequiresAction(bundle);
    });
    const { body } = await http.call("GET", at(chat.id));
    expect(body.status).toBe("requires_action");
    expect(Date.parse(body.requires_action_deadline_at)).toBeGreaterThan(Date.now());
  });
});

describe("the list", () => {
  let lister: Awaited<ReturnType<TestHttpServer["newCaller"]>>;
  beforeAll(async () => {
    lister = await http.newCaller();
  });
  const make = async (body: Record<string, unknown>): Promise<string> => {
    const answer = await http.call("POST", `${api}/chats`, { body, as: lister });
    return answer.body.chat.id;
  };
  const list = async (query = ""): Promise<string[]> => {
    const answer = await http.call("GET", `${api}/chats${query}`, { as: lister });
    expect(answer.status).toBe(200);
    return answer.body.chats.map((chat: Chat) => chat.id);
  };

  test("search, labels, archive, status and pages", async () => {
    const a = await make({ content: "apples and pears", title: "Fruit", labels: { kind: "food" } });
    const b = await make({ content: "100% wool_sweater \\o/", labels: { kind: "wear", hot: "1" } });
    const c = await make({ content: "nothing special", title: "100 wool" });
    expect(await list()).toEqual([c, b, a]);

    expect(await list("?search=PEARS")).toEqual([a]);
    expect(await list("?search=fruit%20apples")).toEqual([a]);
    expect(await list("?search=fruit%20wool")).toEqual([]);
    expect(await list(`?search=${encodeURIComponent("100%")}`)).toEqual([b]);
    expect(await list(`?search=${encodeURIComponent("wool_")}`)).toEqual([b]);
    expect(await list(`?search=${encodeURIComponent("\\o/")}`)).toEqual([b]);
    expect(await list("?search=wool")).toEqual([c, b]);

    expect(await list("?label=kind:food")).toEqual([a]);
    expect(await list("?label=kind")).toEqual([b, a]);
    expect(await list("?label=kind&label=hot:1")).toEqual([b]);
    expect(await list("?label=kind:nothing")).toEqual([]);

    await finish(a);
    // The newest message decides.
    expect(await list()).toEqual([a, c, b]);
    expect(await list("?status=waiting")).toEqual([a]);
    expect(await list("?status=running")).toEqual([c, b]);
    await http.call("PATCH", at(a), { body: { archived: true }, as: lister });
    expect(await list()).toEqual([c, b]);
    expect(await list("?archived=true")).toEqual([a]);
    expect(await list("?archived=all")).toEqual([a, c, b]);
    expect(await list("?pinned=true")).toEqual([]);
    await http.call("PATCH", at(b), { body: { pinned: true }, as: lister });
    expect(await list("?pinned=true")).toEqual([b]);
    expect(await list("?pinned=true&search=wool")).toEqual([b]);
    expect(await list("?pinned=true&archived=true")).toEqual([]);

    const pages: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? "" : `&cursor=${cursor}`;
      const { body } = await http.call("GET", `${api}/chats?archived=all&limit=1${query}`, {
        as: lister,
      });
      pages.push(...body.chats.map((chat: Chat) => chat.id));
      cursor = body.next_cursor;
    } while (cursor !== null);
    expect(pages).toEqual([a, c, b]);
  });

  test("others' chats are not in it, whatever is asked for", async () => {
    const stranger = await http.newCaller();
    const answer = await http.call("GET", `${api}/chats?archived=all&search=wool`, {
      as: stranger,
    });
    expect(answer.body).toEqual({ chats: [], next_cursor: null });
  });

  test("a page costs one query however long it is", async () => {
    const before = http.database.stats.snapshot();
    await list("?limit=3&archived=all");
    const { operations } = http.database.stats.since(before);
    expect(operations["http.list_chats"]).toMatchObject({ statements: 1, roundTrips: 1 });
  });
});

test("GET /models lists them with the default one marked", async () => {
  const { body } = await http.call("GET", `${api}/models`);
  expect(body.models.map((m: { id: string; is_default: boolean }) => [m.id, m.is_default])).toEqual(
    [
      ["demo/demo", true],
      ["demo/echo", false],
    ],
  );
});

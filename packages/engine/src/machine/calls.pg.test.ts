import { randomUUID } from "node:crypto";
import type { ToolResultPart } from "@parley/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chatIn, newChat, said, text, type CallKind } from "../../test/chat-in-state.ts";
import { all } from "../../test/scenarios/all-transitions.ts";
import { transcript } from "../../test/scenarios/transcript.ts";
import { createWorld, type World } from "../../test/world.ts";
import { unknownText } from "../domain/closing.ts";
import type { ChatRow, ExecutionRow, MessageRow } from "../domain/rows.ts";
import { defined } from "../lib/assert.ts";
import {
  readPendingActions,
  readTrackedCalls,
  startExecution,
  storeResult,
  type LedgerFence,
} from "../store/executions.ts";
import { findRecordedDecisions, findRecordedResults } from "./recorded.ts";

/** What becomes of tool calls: the ledger, approvals, deadlines, and how open calls are closed. */
let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => await world.drop());

async function ledger(id: string): Promise<ExecutionRow[]> {
  return await world.sql<ExecutionRow>(
    `select * from parley.tool_executions where chat_id = $1 order by message_id, ordinal`,
    [id],
  );
}

const statesOf = async (id: string): Promise<string[]> =>
  (await ledger(id)).map((row) => row.state);

async function chatRow(id: string): Promise<ChatRow> {
  const [row] = await world.sql<ChatRow>(`select * from parley.chats where id = $1`, [id]);
  return defined(row, "the chat");
}

/** Names a runner on the chat, as if it had acquired it. */
async function drive(id: string): Promise<LedgerFence> {
  const runner_id = randomUUID();
  await world.sql(`update parley.chats set worker_id = $2, runner_id = $3 where id = $1`, [
    id,
    world.worker,
    runner_id,
  ]);
  return { chat_id: id, runner_id, history_version: (await chatRow(id)).history_version };
}

const sendNext = (id: string): Promise<{ messages: MessageRow[] }> =>
  world.machine.update(id, (bundle) =>
    all.sendMessage(bundle, { message: said("next"), when_busy: "queue", queueMessagesMax: 5 }),
  );

const error = { kind: "server", message: "it broke", retryable: true } as const;

test("open calls are closed in one message, in call order, each with what is known of it", async () => {
  const kinds: CallKind[] = ["server", "server", "approval", "approval", "client"];
  const { id } = await chatIn(world, "R0", { calls: kinds });
  const fence = await drive(id);
  const [finished, started, , approved] = await ledger(id);
  await world.database.write(async (tx) => {
    const result = { output: { answer: 42 }, is_error: false };
    expect(await storeResult(tx, fence, defined(finished, "row").id, result)).toBe(true);
    expect(await startExecution(tx, fence, defined(started, "row").id)).toBe(true);
  });
  await world.sql(`update parley.tool_executions set state = 'approved' where id = $1`, [
    approved?.id,
  ]);
  await world.machine.update(id, (bundle) => all.finishError(bundle, { error }));
  expect(await transcript(world, id)).toHaveLength(4);

  const { messages } = await sendNext(id);
  expect(messages.map((message) => message.role)).toEqual(["tool", "user"]);
  const results = messages[0]?.parts as ToolResultPart[];
  expect(results.map((part) => part.tool_call_id)).toEqual(
    (await ledger(id)).map((row) => row.tool_call_id),
  );
  expect(results.map(({ output, is_error }) => ({ output, is_error }))).toEqual([
    { output: { answer: 42 }, is_error: false },
    { output: unknownText, is_error: true },
    { output: expect.stringContaining("nobody approved it") as string, is_error: true },
    { output: expect.stringContaining("cancelled") as string, is_error: true },
    { output: expect.stringContaining("cancelled") as string, is_error: true },
  ]);
  expect(await statesOf(id)).toEqual([
    "finished",
    "unknown",
    "abandoned",
    "abandoned",
    "abandoned",
  ]);
});

test("a call that the ledger does not know is closed too", async () => {
  const { id } = await chatIn(world, "R0");
  await world.machine.update(id, async (bundle) => {
    const call = {
      type: "tool-call",
      tool_call_id: "x",
      tool_name: "tool_lost",
      input: {},
    } as const;
    await all.commitStep(bundle, { messages: [{ role: "assistant", parts: [call] }] });
    await all.finishTurn(bundle);
  });
  expect((await transcript(world, id)).at(-1)).toBe("tool answers lost!");
});

test("what the provider ran itself is not open", async () => {
  const { id } = await chatIn(world, "R0");
  const common = { tool_call_id: "p", tool_name: "search", provider_executed: true } as const;
  await world.machine.update(id, async (bundle) => {
    const parts = [
      { type: "tool-call", input: {}, ...common },
      { type: "tool-result", output: "none", is_error: false, ...common },
      ...text("found nothing"),
    ] as const;
    await all.commitStep(bundle, {
      messages: [{ role: "assistant", parts, finish_reason: "stop" }],
    });
    expect(await readTrackedCalls(bundle.tx, id)).toEqual([]);
    expect(await all.finishTurn(bundle)).toEqual([]);
  });
});

test("a batch's results finish the rows that are open, and overwrite none that is not", async () => {
  const { id, calls } = await chatIn(world, "R0", { calls: ["server", "server"] });
  const fence = await drive(id);
  const [first] = await ledger(id);
  await world.database.write((tx) =>
    storeResult(tx, fence, defined(first, "row").id, { output: "kept", is_error: false }),
  );
  const parts = calls.map((tool_call_id) => ({
    type: "tool-result" as const,
    tool_call_id,
    tool_name: "tool_server",
    output: "committed",
    is_error: false,
  }));
  await world.machine.update(id, (b) => all.commitStep(b, { messages: [{ role: "tool", parts }] }));
  expect((await ledger(id)).map((row) => row.result?.output)).toEqual(["kept", "committed"]);
  expect(await statesOf(id)).toEqual(["finished", "finished"]);
});

test("nothing is started twice, unapproved, past its end, or by a runner without the fence", async () => {
  const { id } = await chatIn(world, "R0", { calls: ["server", "approval", "server"] });
  const fence = await drive(id);
  const [server, approval, other] = (await ledger(id)).map((row) => row.id) as [
    string,
    string,
    string,
  ];
  await world.database.write(async (tx) => {
    expect(await startExecution(tx, { ...fence, runner_id: randomUUID() }, server)).toBe(false);
    expect(await startExecution(tx, { ...fence, history_version: 1 }, server)).toBe(false);
    expect(await startExecution(tx, fence, approval)).toBe(false);
    const result = { output: 1, is_error: false };
    expect(await storeResult(tx, fence, approval, result)).toBe(false);
    expect(await startExecution(tx, fence, server)).toBe(true);
    expect(await startExecution(tx, fence, server)).toBe(false);
    expect(await storeResult(tx, fence, server, result)).toBe(true);
    expect(await storeResult(tx, fence, server, result)).toBe(false);
  });
  await world.machine.update(id, (bundle) => all.interrupt(bundle, { hold: false }));
  await world.database.write(async (tx) => {
    expect(await startExecution(tx, fence, other)).toBe(false);
  });
});

test("an edit abandons what is open after it, and nothing before it", async () => {
  const { id } = await chatIn(world, "R0", { calls: ["server"] });
  await sendNext(id);
  await world.machine.update(id, (bundle) => all.finishTurn(bundle));
  const { turn_message_id: turn } = await chatRow(id);
  await world.machine.update(id, async (bundle) => {
    const call = { type: "tool-call", tool_call_id: "late", tool_name: "t", input: {} } as const;
    await all.commitStep(bundle, {
      messages: [{ role: "assistant", parts: [call] }],
      executions: [{ tool_call_id: "late", tool_name: "t", kind: "server", needs_approval: false }],
    });
  });
  const fence = await drive(id);
  await world.database.write(async (tx) => {
    const late = (await ledger(id)).at(-1);
    expect(await startExecution(tx, fence, defined(late, "row").id)).toBe(true);
  });
  await world.machine.update(id, (bundle) =>
    all.editMessage(bundle, {
      message_id: defined(turn, "the turn"),
      parts: text("again"),
      client_id: null,
      created_by: null,
      keep_queue: false,
    }),
  );
  expect((await ledger(id)).map(({ state, result }) => ({ state, said: result !== null }))).toEqual(
    [
      { state: "abandoned", said: true },
      { state: "abandoned", said: false },
    ],
  );
});

test("client results one by one: each its own message, and the chat runs after the last", async () => {
  const { id, calls } = await chatIn(world, "A0", { calls: ["client", "server", "client"] });
  const [one, , two] = calls as [string, string, string];
  const submit = (tool_call_id: string, output: number): Promise<MessageRow> =>
    world.machine.update(id, (bundle) =>
      all.completeRequiresAction(bundle, {
        results: [{ tool_call_id, output, is_error: false }],
        submitted_by: world.owner,
      }),
    );
  const message = await submit(two, 2);
  expect(message).toMatchObject({ role: "tool", created_by: world.owner });
  expect(await chatRow(id)).toMatchObject({ status: "requires_action" });
  await expect(submit(two, 2)).rejects.toMatchObject({ code: "tool_result_mismatch" });
  await submit(one, 1);
  expect(await chatRow(id)).toMatchObject({ status: "running", requires_action_deadline_at: null });
  // The server's own call was never a client's to answer: generation runs it next.
  const open = await world.machine.read((tx) => readTrackedCalls(tx, id));
  expect(open.map((call) => call.tool_name)).toEqual(["tool_server"]);
});

test("a repeat of what is recorded is the same from any state; something else differs", async () => {
  const { id, calls } = await chatIn(world, "A0", { calls: ["client"] });
  const [tool_call_id] = calls as [string];
  const result = { tool_call_id, output: { a: [1, null] }, is_error: false };
  const verdict = (over: object): Promise<string> =>
    world.machine.read((tx) => findRecordedResults(tx, id, [{ ...result, ...over }]));
  expect(await verdict({})).toBe("unknown");
  await world.machine.update(id, (bundle) =>
    all.completeRequiresAction(bundle, { results: [result], submitted_by: null }),
  );
  expect(await verdict({})).toBe("same");
  expect(await verdict({ output: { a: [1, 2] } })).toBe("differs");
  expect(await verdict({ is_error: true })).toBe("differs");
  expect(await verdict({ tool_call_id: "nobody" })).toBe("unknown");
  await world.machine.update(id, (bundle) => all.finishTurn(bundle));
  expect(await verdict({})).toBe("same");
});

test("a result that comes after the call was closed otherwise differs", async () => {
  const { id, calls, queued } = await chatIn(world, "A1", { calls: ["client"] });
  await world.machine.update(id, (bundle) =>
    all.promoteQueuedMessage(bundle, { queued_id: defined(queued[0], "queued") }),
  );
  const results = [{ tool_call_id: calls[0] ?? "", output: 1, is_error: false }];
  expect(await world.machine.read((tx) => findRecordedResults(tx, id, results))).toBe("differs");
});

test("approvals: the first decision wins, a denial is told, an approved call is run later", async () => {
  const { id, calls } = await chatIn(world, "A0", { calls: ["approval", "approval"] });
  const [one, two] = calls as [string, string];
  const decide = (tool_call_id: string, decision: "approve" | "deny"): Promise<MessageRow | null> =>
    world.machine.update(id, (bundle) =>
      all.decideApproval(bundle, {
        decisions: [{ tool_call_id, decision, reason: "because" }],
        decided_by: world.owner,
      }),
    );
  const before = await chatRow(id);
  expect(await decide(one, "approve")).toBeNull();
  const after = await chatRow(id);
  expect(after.history_version).toBe(before.snapshot_version + 1);
  await expect(decide(one, "deny")).rejects.toMatchObject({ code: "tool_result_mismatch" });
  const verdict = (decision: "approve" | "deny"): Promise<string> =>
    world.machine.read((tx) => findRecordedDecisions(tx, id, [{ tool_call_id: one, decision }]));
  expect(await verdict("approve")).toBe("same");
  expect(await verdict("deny")).toBe("differs");

  const told = await decide(two, "deny");
  expect(told?.parts).toMatchObject([
    { tool_call_id: two, output: "denied: because", is_error: true },
  ]);
  expect(await chatRow(id)).toMatchObject({ status: "running" });
  expect(await statesOf(id)).toEqual(["approved", "denied"]);
  expect((await ledger(id))[0]).toMatchObject({
    decided_by: world.owner,
    decision_reason: "because",
    result: null,
  });
  const open = await world.machine.read((tx) => readTrackedCalls(tx, id));
  expect(open.map((call) => call.tool_call_id)).toEqual([one]);
});

test("a client's call that was approved waits for its client, with a deadline of its own", async () => {
  const { id } = await chatIn(world, "R0");
  await world.machine.update(id, async (bundle) => {
    const call = { type: "tool-call", tool_call_id: "c", tool_name: "t", input: { n: 1 } } as const;
    await all.commitStep(bundle, {
      messages: [{ role: "assistant", parts: [call] }],
      executions: [
        {
          tool_call_id: "c",
          tool_name: "t",
          kind: "client",
          needs_approval: true,
          deadline_ms: 5000,
        },
      ],
    });
    await all.enterRequiresAction(bundle);
  });
  const pending = (): Promise<unknown> => world.machine.read((tx) => readPendingActions(tx, id));
  expect(await pending()).toMatchObject([{ kind: "approval", input: { n: 1 } }]);
  const first = (await chatRow(id)).requires_action_deadline_at;
  await world.advance(3000);
  const decisions = [{ tool_call_id: "c", decision: "approve" }] as const;
  await world.machine.update(id, (bundle) =>
    all.decideApproval(bundle, { decisions, decided_by: world.owner }),
  );
  expect(await pending()).toMatchObject([{ kind: "client_tool", tool_call_id: "c" }]);
  const chat = await chatRow(id);
  expect(chat.status).toBe("requires_action");
  expect(chat.requires_action_deadline_at?.getTime()).toBeGreaterThan(
    (first?.getTime() ?? 0) + 2000,
  );
});

test("deadlines: the earliest is the chat's, each call expires by itself, results say so", async () => {
  const { id } = await chatIn(world, "R0");
  const made = ["soon", "later", "never"].map((tool_call_id, n) => ({
    tool_call_id,
    tool_name: `tool_${tool_call_id}`,
    kind: "client" as const,
    needs_approval: false,
    ...(n < 2 ? { deadline_ms: 1000 * (n + 1) } : {}),
  }));
  await world.machine.update(id, async (bundle) => {
    const parts = made.map(({ tool_call_id, tool_name }) => ({
      type: "tool-call" as const,
      tool_call_id,
      tool_name,
      input: {},
    }));
    await all.commitStep(bundle, { messages: [{ role: "assistant", parts }], executions: made });
    await all.enterRequiresAction(bundle);
  });
  const [entered] = await world.sql<{ left: number }>(
    `select extract(epoch from requires_action_deadline_at - parley.now())::float8 as left
     from parley.chats where id = $1`,
    [id],
  );
  expect(entered?.left).toBeGreaterThan(0);
  expect(entered?.left).toBeLessThanOrEqual(1);
  const cancel = (): Promise<MessageRow> =>
    world.machine.update(id, (bundle) => all.cancelRequiresAction(bundle));
  await expect(cancel()).rejects.toMatchObject({ code: "transition_rejected" });
  await world.advance(1001);
  expect((await cancel()).parts).toMatchObject([
    {
      tool_call_id: "soon",
      output: expect.stringContaining("timed out") as string,
      is_error: true,
    },
  ]);
  const [between] = await world.sql<{ same: boolean }>(
    `select requires_action_deadline_at = (select min(deadline_at) from parley.tool_executions
       where chat_id = c.id and state = 'intent') as same from parley.chats c where id = $1`,
    [id],
  );
  expect(between?.same).toBe(true);
  await world.advance(600_000);
  expect((await cancel()).parts).toMatchObject([
    { tool_call_id: "later" },
    { tool_call_id: "never" },
  ]);
  expect(await chatRow(id)).toMatchObject({ status: "running", requires_action_deadline_at: null });
  await expect(cancel()).rejects.toMatchObject({ code: "transition_rejected" });
});

test("an approval that expires never turns into a run", async () => {
  const { id } = await chatIn(world, "A0", { calls: ["approval"] });
  await world.advance(24 * 3_600_000 + 1);
  const row = await world.machine.update(id, (bundle) => all.cancelRequiresAction(bundle));
  expect(row.parts).toMatchObject([
    { output: expect.stringContaining("nobody approved it") as string, is_error: true },
  ]);
  expect(await statesOf(id)).toEqual(["abandoned"]);
  const fence = await drive(id);
  await world.database.write(async (tx) => {
    const [only] = await ledger(id);
    expect(await startExecution(tx, fence, defined(only, "row").id)).toBe(false);
  });
});

test("a cleared context closes the failed turn's calls before the boundary", async () => {
  const { id } = await chatIn(world, "E0", { calls: ["server"] });
  const rows = await world.machine.update(id, (bundle) => all.clearContext(bundle));
  expect(rows.map((row) => [row.role, row.is_boundary])).toEqual([
    ["tool", false],
    ["system", true],
    ["system", true],
  ]);
  const { messages } = await sendNext(id);
  expect(messages.map((message) => message.role)).toEqual(["user"]);
});

test("a fork closes what it cuts off with what the source knows, and leaves the source alone", async () => {
  const { id, calls } = await chatIn(world, "R0", { calls: ["server", "server"] });
  const fence = await drive(id);
  const [first] = await ledger(id);
  await world.database.write((tx) =>
    storeResult(tx, fence, defined(first, "row").id, { output: "real", is_error: false }),
  );
  const source = await transcript(world, id);
  const fork = newChat(world, { status: "waiting" });
  const messages = await world.machine.create(fork, (bundle) =>
    all.forkChat(bundle, { source_chat_id: id }),
  );
  expect(messages.at(-1)?.parts).toMatchObject([
    { tool_call_id: calls[0], output: "real", is_error: false },
    { tool_call_id: calls[1], output: expect.stringContaining("forked") as string, is_error: true },
  ]);
  expect(await transcript(world, fork.id)).toEqual([...source, "tool answers server, server!"]);
  expect(await transcript(world, id)).toEqual(source);
  expect(await statesOf(id)).toEqual(["finished", "intent"]);
  expect(await ledger(fork.id)).toEqual([]);
});

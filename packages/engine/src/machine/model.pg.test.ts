import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { calling, newChat, reply, said, text } from "../../test/chat-in-state.ts";
import {
  apply,
  commands,
  editable,
  newModel,
  queueMax,
  type Command,
  type Model,
} from "../../test/model.ts";
import { all } from "../../test/scenarios/all-transitions.ts";
import { dump, queueOf, transcript } from "../../test/scenarios/transcript.ts";
import { createWorld, type World } from "../../test/world.ts";
import { closingMessage } from "../domain/closing.ts";
import type { ChatRow } from "../domain/rows.ts";
import { ParleyError } from "../lib/errors.ts";
import { assemblePrompt } from "../models/prompt.ts";
import { readTrackedCalls } from "../store/executions.ts";
import { readContext } from "../store/messages.ts";
import { readQueue } from "../store/queue.ts";
import { boundaryMessages } from "../worker/compaction/boundary.ts";
import { unanswered } from "../worker/compaction/unanswered.ts";
import type { Bundle } from "./bundle.ts";

/** Random legal and illegal sequences, against a small model of the machine (`test/model.ts`). */
let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => await world.drop());

const sequencesMax = 120;
const commandsMax = 30;

interface Choice extends Omit<Command, "what"> {
  readonly which: number;
  /** Choose among what the model allows now; else among everything. */
  readonly legal: boolean;
}

const choice: fc.Arbitrary<Choice> = fc.record({
  which: fc.nat(1000),
  legal: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
  n: fc.nat(20),
  m: fc.nat(20),
});

/** Three of four are legal, or a sequence would seldom leave the first few states. */
function choose(model: Model, { which, legal, n, m }: Choice, words: string): Command {
  const every = commands.map((what) => ({ what, n, m }));
  const allowed = every.filter((each) => apply(structuredClone(model), each, words) === null);
  // An edit empties the queue and starts over: too many of them, and nothing else is ever reached.
  const fewer = allowed.filter(({ what }) => n % 4 === 0 || !what.startsWith("edit"));
  const some = legal ? fewer : every;
  return some[which % some.length] ?? { what: "attempt", n, m };
}

test("whatever is tried in whatever order, machine and model agree (C26)", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(choice, { minLength: 10, maxLength: commandsMax, size: "max" }),
      runSequence,
    ),
    { numRuns: sequencesMax },
  );
});

async function runSequence(sequence: readonly Choice[]): Promise<void> {
  await world.sql(`delete from parley.chats`);
  const chat = newChat(world);
  const sent = ["m0"];
  await world.machine.create(chat, (bundle) =>
    all.createChat(bundle, { messages: [{ role: "user", parts: text("m0") }] }),
  );
  const model = newModel("m0");
  world.published();
  for (const [step, chosen] of sequence.entries()) {
    const words = `m${step + 1}`;
    const each = choose(model, chosen, words);
    if (each.what.startsWith("call ") && model.open.length > 0) continue;
    if (each.what === "run server" && model.open.length === 0) continue;
    // Calls are answered before anything is compacted.
    if (each.what === "commit boundary" && model.open.length > 0) continue;
    const before = structuredClone(model);
    const refusal = apply(model, each, words);
    const saved = refusal === null ? null : await dump(world);
    const error: unknown = await world.machine
      .update(chat.id, (bundle) => perform(bundle, before, each, words))
      .then(
        () => null,
        (e: unknown) => e,
      );
    if (refusal === null) {
      expect(error).toBeNull();
      if (/^(send|edit)( |$)/.test(each.what) && each.what !== "edit queued") sent.push(words);
      await compare(model, chat.id);
      await soundContext(model, chat.id);
    } else {
      expect(error).toBeInstanceOf(ParleyError);
      expect((error as ParleyError).code).toBe(refusal);
      expect(await dump(world)).toEqual(saved);
      expect(world.published()).toEqual([]);
    }
    accounted(model, sent);
  }
}

/** Every message that was accepted is in history or in the queue once, or was taken back by its user. */
function accounted(model: Model, sent: readonly string[]): void {
  const places = [
    ...model.history.flatMap((entry) => entry.said ?? []),
    ...model.queue.map((queued) => queued.text),
    ...model.takenBack,
  ];
  expect(places.toSorted()).toEqual(sent.toSorted());
}

/** What the worker would give the model is sound: the context begins with its boundary, and every call is answered. */
async function soundContext(model: Model, chatId: string): Promise<void> {
  const context = await world.machine.read((tx) => readContext(tx, chatId));
  expect(context.findLastIndex((message) => message.is_boundary)).toBeLessThanOrEqual(0);
  expect(context.every(({ visibility }) => visibility !== "user")).toBe(true);
  const results = context
    .flatMap(({ parts }) => parts)
    .filter(({ type }) => type === "tool-result");
  const asked = context.flatMap(({ parts }) => parts).filter(({ type }) => type === "tool-call");
  expect(asked.length - results.length).toBe(model.open.length);
  const prompt = assemblePrompt(
    null,
    context.map((message) => ({ ...message, model: null })),
    { provider: "test", flavour: "openai-chat" },
  );
  const roles = prompt.map(({ role }) => role).filter((role) => role !== "system");
  if (roles.length > 0) expect([roles[0], roles.at(-1)]).not.toContain("assistant");
}

async function boundary(bundle: Bundle): Promise<Parameters<typeof all.commitStep>[1]["messages"]> {
  const { compact_only, history_version, generation_attempt } = bundle.sketch;
  const replayed = compact_only ? [] : unanswered(await readContext(bundle.tx, bundle.chatId));
  const key = { chat_id: bundle.chatId, history_version, generation_attempt };
  const summary = { text: "in short", model: "test/model", usage: null };
  return boundaryMessages(key, "asked", summary, replayed, { steps: 0, recoveries: 0, repairs: 0 });
}

/** What a boundary says before its summary is not this test's business. */
function withoutPreface(line: string): string {
  return line.replace(/^(system \(model\): )[^]*\n/, "$1");
}

async function compare(model: Model, id: string): Promise<void> {
  const [row] = await world.sql<ChatRow>(`select * from parley.chats where id = $1`, [id]);
  const chat = row as ChatRow;
  expect({
    status: chat.status,
    archived: chat.archived,
    hold: chat.hold,
    compaction:
      chat.compaction_requested_at === null ? "none" : chat.compact_only ? "only" : "asked",
    attempt: chat.generation_attempt,
    snapshot: chat.snapshot_version,
    historyAt: chat.history_version,
    queueAt: chat.queue_version,
    history: (await transcript(world, id)).map(withoutPreface),
    queue: await queueOf(world, id),
  }).toEqual({
    status: model.status,
    archived: model.archived,
    hold: model.hold,
    compaction: model.compaction,
    attempt: model.attempt,
    snapshot: model.snapshot,
    historyAt: model.historyAt,
    queueAt: model.queueAt,
    history: model.history.map((entry) => entry.line),
    queue: model.queue.map((queued) => `${queued.manner}: ${queued.text}`),
  });
  const commits = world.published();
  expect(commits).toHaveLength(1);
  expect(commits[0]?.chat).toEqual(chat);
  expect(commits[0]?.queue?.length ?? chat.queue_length).toBe(chat.queue_length);
}

async function perform(
  bundle: Bundle,
  model: Model,
  each: Command,
  words: string,
): Promise<unknown> {
  const { what, n, m } = each;
  const nth = async (): Promise<number> => {
    const queue = await readQueue(bundle.tx, bundle.chatId);
    return queue[n % Math.max(1, queue.length)]?.id ?? 2 ** 40;
  };
  switch (what) {
    case "send queue":
    case "send steer":
    case "send interrupt":
    case "send reject":
      return await all.sendMessage(bundle, {
        message: said(words),
        when_busy: what.slice(5) as "queue" | "steer" | "interrupt" | "reject",
        queueMessagesMax: queueMax,
      });
    case "edit":
    case "edit keep":
      return await all.editMessage(bundle, {
        message_id: await messageAt(bundle, model, n),
        parts: text(words),
        client_id: null,
        created_by: null,
        keep_queue: what === "edit keep",
      });
    case "delete queued":
      return await all.deleteQueuedMessage(bundle, { queued_id: await nth() });
    case "promote queued":
      return await all.promoteQueuedMessage(bundle, { queued_id: await nth() });
    case "move queued":
      return await all.reorderQueuedMessage(bundle, {
        queued_id: await nth(),
        position: m % (queueMax + 1),
      });
    case "edit queued":
      return await all.editQueuedMessage(bundle, {
        queued_id: await nth(),
        manner: m % 2 === 0 ? "queue" : "steer",
      });
    case "promote steering":
      return await all.promoteSteering(bundle);
    case "interrupt":
    case "interrupt hold":
      return await all.interrupt(bundle, { hold: what === "interrupt hold" });
    case "reply":
      return await all.commitStep(bundle, { messages: [reply(words)] });
    case "call client":
    case "call server":
      return await all.commitStep(bundle, calling([what.slice(5) as "client" | "server"]));
    case "run server":
      return await all.commitStep(bundle, { messages: await answers(bundle) });
    case "enter requires action":
      return await all.enterRequiresAction(bundle);
    case "complete": {
      const calls = await readTrackedCalls(bundle.tx, bundle.chatId);
      const results = calls.map(({ tool_call_id }) => ({
        tool_call_id,
        output: 1,
        is_error: false,
      }));
      return await all.completeRequiresAction(bundle, { results, submitted_by: null });
    }
    case "cancel":
      return await all.cancelRequiresAction(bundle);
    case "finish interruption": {
      const calls = await readTrackedCalls(bundle.tx, bundle.chatId);
      const closing = closingMessage(calls, "interrupted");
      const partial =
        closing === null
          ? [{ role: "assistant" as const, parts: text("half") }]
          : [{ ...closing, finish_reason: "interrupted" as const }];
      return await all.finishInterruption(bundle, { partial });
    }
    case "finish turn":
      return await all.finishTurn(bundle);
    case "finish error":
      return await all.finishError(bundle, {
        error: { kind: "server", message: "it broke", retryable: true },
      });
    case "retry":
      return await all.retryTurn(bundle);
    case "archive":
    case "unarchive":
      return await all.setArchived(bundle, { archived: what === "archive" });
    case "compact":
      return await all.requestCompaction(bundle);
    case "commit boundary":
      return await all.commitStep(bundle, { messages: await boundary(bundle) });
    case "clear":
      return await all.clearContext(bundle);
    case "attempt":
      return await all.recordGenerationAttempt(bundle);
    default:
      throw new Error(`unknown command ${String(what satisfies never)}`);
  }
}

async function answers(bundle: Bundle): Promise<Parameters<typeof all.commitStep>[1]["messages"]> {
  const calls = await readTrackedCalls(bundle.tx, bundle.chatId);
  const parts = calls.map(({ tool_call_id, tool_name }) => ({
    type: "tool-result" as const,
    tool_call_id,
    tool_name,
    output: 1,
    is_error: false,
  }));
  return [{ role: "tool", parts }];
}

/** The id of the n-th of the user's live messages. */
async function messageAt(bundle: Bundle, model: Model, n: number): Promise<number> {
  const rows = await bundle.tx.query<{ id: number }>({
    name: "test.users_messages",
    text: `select id from parley.chat_messages where chat_id = $1 and role = 'user' and visibility = 'both' and not deleted order by id`,
    values: [bundle.chatId],
  });
  return rows[n % Math.max(1, editable(model).length)]?.id ?? 2 ** 40;
}

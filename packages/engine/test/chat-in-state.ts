import { randomUUID } from "node:crypto";
import type { ToolCallPart } from "@parley/protocol";
import type { ChatRow, NewMessage } from "../src/domain/rows.ts";
import { stateOf, type State } from "../src/domain/state.ts";
import { assert } from "../src/lib/assert.ts";
import type { Bundle } from "../src/machine/bundle.ts";
import type { UserMessage } from "../src/machine/enter-history.ts";
import { commitStep } from "../src/machine/transitions/commit-step.ts";
import { createChat } from "../src/machine/transitions/create-chat.ts";
import { enterRequiresAction } from "../src/machine/transitions/enter-requires-action.ts";
import { finishError } from "../src/machine/transitions/finish-error.ts";
import { finishTurn } from "../src/machine/transitions/finish-turn.ts";
import { interrupt } from "../src/machine/transitions/interrupt.ts";
import { recordGenerationAttempt } from "../src/machine/transitions/record-generation-attempt.ts";
import { sendMessage } from "../src/machine/transitions/send-message.ts";
import { setArchived } from "../src/machine/transitions/set-archived.ts";
import type { NewChat } from "../src/store/chats.ts";
import type { NewExecution } from "../src/store/executions.ts";
import type { World } from "./world.ts";

export interface Options {
  /** Queued messages, by their manner. Default: one plain one in the states with a queue. */
  readonly queue?: readonly ("queue" | "steer")[];
  /** Open calls: in `A*` by default one of a client and one to be approved, elsewhere none. */
  readonly calls?: readonly CallKind[];
  readonly hold?: boolean;
  /** A complete reply comes before the turn in question. Default true. */
  readonly replied?: boolean;
}

export type CallKind = "client" | "approval" | "server";

export interface Fixture {
  readonly id: string;
  readonly chat: ChatRow;
  /** The user's message whose turn it is. */
  readonly turn: number;
  /** Ids of the queued messages, in order. */
  readonly queued: readonly number[];
  /** Ids of the open calls. */
  readonly calls: readonly string[];
}

export const text = (value: string): NewMessage["parts"] => [{ type: "text", text: value }];

export function said(value: string, over: Partial<UserMessage> = {}): UserMessage {
  return {
    parts: text(value),
    model: null,
    reasoning_effort: null,
    client_id: null,
    created_by: null,
    ...over,
  };
}

export function newChat(world: World, over: Partial<NewChat> = {}): NewChat {
  const id = over.id ?? randomUUID();
  return {
    id,
    owner_id: world.owner,
    parent_chat_id: null,
    root_chat_id: id,
    title: null,
    labels: {},
    model: "demo/test",
    reasoning_effort: null,
    system_prompt: null,
    client_tools: [],
    status: "running",
    ...over,
  };
}

export const reply = (value: string): NewMessage => ({
  role: "assistant",
  parts: text(value),
  finish_reason: "stop",
});

/** An assistant's message that makes calls, and their rows. */
export function calling(kinds: readonly CallKind[]): {
  messages: NewMessage[];
  executions: NewExecution[];
  ids: string[];
} {
  const ids = kinds.map((kind) => `${kind}_${randomUUID().slice(0, 8)}`);
  const parts = ids.map((tool_call_id, n): ToolCallPart => ({
    type: "tool-call",
    tool_call_id,
    tool_name: `tool_${kinds[n]}`,
    input: { n },
  }));
  const executions = ids.map((tool_call_id, n): NewExecution => ({
    tool_call_id,
    tool_name: `tool_${kinds[n]}`,
    kind: kinds[n] === "client" ? "client" : "server",
    needs_approval: kinds[n] === "approval",
  }));
  return {
    messages: [{ role: "assistant", parts, finish_reason: "tool_calls" }],
    executions,
    ids,
  };
}

export const queueMessagesMax = 5;

async function send(bundle: Bundle, manner: "queue" | "steer", value: string): Promise<void> {
  await sendMessage(bundle, { message: said(value), when_busy: manner, queueMessagesMax });
}

const error = { kind: "server", message: "it broke", retryable: true } as const;

/** A chat that came to the given state by transitions; `Invalid` alone is made by hand. */
export async function chatIn(world: World, state: State, options: Options = {}): Promise<Fixture> {
  assert(state !== "N", "a chat that does not exist cannot be made");
  const { id } = await start(world, options);
  const base = state.replace("X", "");
  const queue = options.queue ?? (base.endsWith("1") ? ["queue"] : []);
  const kinds = options.calls ?? (base.startsWith("A") ? (["client", "approval"] as const) : []);
  const { ids, messages, executions } = calling(kinds);
  const update = async (fn: (bundle: Bundle) => Promise<unknown>): Promise<unknown> =>
    await world.machine.update(id, fn);

  if (ids.length > 0) await update((bundle) => commitStep(bundle, { messages, executions }));
  await update((bundle) => recordGenerationAttempt(bundle));
  for (const [n, manner] of queue.entries()) {
    await update((bundle) => send(bundle, manner, `queued ${n}`));
  }
  if (base.startsWith("A")) await update((bundle) => enterRequiresAction(bundle));
  if (base.startsWith("I")) {
    await update((bundle) => interrupt(bundle, { hold: options.hold ?? false }));
  }
  if (base.startsWith("E")) await update((bundle) => finishError(bundle, { error }));
  if (base === "W") {
    await update(async (bundle) => {
      await commitStep(bundle, { messages: [reply("the answer")] });
      await finishTurn(bundle);
    });
  }
  if (state.startsWith("X")) await update((bundle) => setArchived(bundle, { archived: true }));
  if (state === "Invalid") {
    await world.sql(`update parley.chats set archived = true where id = $1`, [id]);
  }
  return await look(world, id, ids, state);
}

async function start(world: World, { replied = true }: Options): Promise<{ id: string }> {
  const chat = newChat(world);
  await world.machine.create(chat, (bundle) =>
    createChat(bundle, { messages: [{ role: "user", parts: text("first") }] }),
  );
  if (!replied) return chat;
  await world.machine.update(chat.id, async (bundle) => {
    await commitStep(bundle, { messages: [reply("an answer")] });
    await finishTurn(bundle);
  });
  await world.machine.update(chat.id, (bundle) => send(bundle, "queue", "second"));
  return chat;
}

async function look(world: World, id: string, calls: string[], state: State): Promise<Fixture> {
  const [chat] = await world.sql<ChatRow>(`select * from parley.chats where id = $1`, [id]);
  assert(chat !== undefined, "the chat is there");
  const now = stateOf(chat);
  assert(now === state, `the fixture is in ${now}, not in ${state}`);
  const queue = await world.sql<{ id: number }>(
    `select id from parley.chat_queue where chat_id = $1 order by rank, id`,
    [id],
  );
  world.published();
  return {
    id,
    chat,
    turn: chat.turn_message_id ?? 0,
    queued: queue.map((row) => row.id),
    calls,
  };
}

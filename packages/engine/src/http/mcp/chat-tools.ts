import type { CallToolResult, McpServer, ServerContext } from "@modelcontextprotocol/server";
import {
  createChatSchema,
  limits,
  sendMessageSchema,
  type Chat,
  type JsonObject,
} from "@parley/protocol";
import { z } from "zod";
import { idempotencyMetaKey } from "../../tools/mcp/mcp-tools.ts";
import type { Caller } from "../auth/caller.ts";
import { createChatCommand } from "../commands/create-chat.ts";
import { interruptCommand } from "../commands/interrupt.ts";
import { listChatsCommand } from "../commands/list-chats.ts";
import { listMessagesCommand } from "../commands/list-messages.ts";
import { sendMessageCommand } from "../commands/send-message.ts";
import type { HttpContext } from "../context.ts";
import { Draining } from "../errors.ts";
import { problemOf } from "../problem.ts";
import { briefChat, briefMessage } from "./brief.ts";
import { isSettled, waitForChat } from "./wait-for-chat.ts";

const waitSecondsDefault = 60;
/** As long as proxies and clients commonly wait for one answer. */
const waitSecondsMax = 240;
const messagesDefault = 20;

const chat_id = z.string().describe("The id of a chat of yours.");
const message = z.string().min(1).describe("What to say.");
const wait_seconds = z
  .number()
  .min(0)
  .max(waitSecondsMax)
  .default(waitSecondsDefault)
  .describe(
    "How long to wait for the turn to end. The chat goes on when it takes longer: see watch_chat.",
  );
const messageId = z.int().min(0);
const { model, system_prompt, title, client_id } = createChatSchema.shape;
const response_format = createChatSchema.shape.response_format.describe(
  "Asks for a reply that is JSON of this JSON Schema: see `structured_output` of the message that ends the turn.",
);
const { when_busy } = sendMessageSchema.shape;

/** The tools with which another agent uses this server, as the principal whose token it brings. */
export function addChatTools(server: McpServer, context: HttpContext, caller: Caller): void {
  server.registerTool(
    "create_chat",
    {
      description: "Begins a chat with an agent and waits for its reply.",
      inputSchema: z.strictObject({
        message,
        model,
        system_prompt,
        title,
        response_format,
        client_id,
        wait_seconds,
      }),
    },
    async ({ message: content, wait_seconds: seconds, ...rest }, { mcpReq }) =>
      await answered(context, mcpReq, async () => {
        if (context.draining.aborted) throw new Draining();
        const body = { content, ...withoutUndefined(rest) };
        const { body: made } = await createChatCommand(context, caller, body, keyOf(mcpReq));
        return await turn(
          context,
          caller,
          made.chat,
          made.messages.at(-1)?.id ?? 0,
          seconds,
          mcpReq,
        );
      }),
  );
  server.registerTool(
    "send_message",
    {
      description:
        "Says something in a chat and waits for the reply. While the agent works, `when_busy` says what becomes of it.",
      inputSchema: z.strictObject({
        chat_id,
        message,
        when_busy,
        model,
        response_format,
        client_id,
        wait_seconds,
      }),
    },
    async ({ chat_id: id, message: content, wait_seconds: seconds, ...rest }, { mcpReq }) =>
      await answered(context, mcpReq, async () => {
        if (context.draining.aborted) throw new Draining();
        const newest = await listMessagesCommand(context, caller, id, { limit: 1 });
        const body = { content, ...withoutUndefined(rest) };
        const { body: sent } = await sendMessageCommand(context, caller, id, body, keyOf(mcpReq));
        // What was inserted, or, where it is queued, all that comes from now on.
        const after = sent.messages.at(-1)?.id ?? newest.messages.at(-1)?.id ?? 0;
        return await turn(context, caller, sent.chat, after, seconds, mcpReq);
      }),
  );
  server.registerTool(
    "watch_chat",
    {
      description:
        "Waits until something has changed in a chat since `snapshot_version`, or until its turn has ended where none " +
        "is given. Answers with the chat and its messages after `after_message_id`.",
      inputSchema: z.strictObject({
        chat_id,
        snapshot_version: z.int().min(0).optional(),
        after_message_id: messageId.optional(),
        wait_seconds,
      }),
      annotations: { readOnlyHint: true },
    },
    async (input, { mcpReq }) =>
      await answered(context, mcpReq, async () => {
        const { snapshot_version: seen, wait_seconds: seconds } = input;
        const chat = await waitForChat(context, caller, input.chat_id, {
          seconds,
          signal: mcpReq.signal,
          isEnough: (now) => (seen === undefined ? isSettled(now) : now.snapshot_version > seen),
        });
        return await withMessages(context, caller, chat, { after: input.after_message_id });
      }),
  );
  server.registerTool(
    "get_chat",
    {
      description: "The state of a chat, without waiting.",
      inputSchema: z.strictObject({ chat_id }),
      annotations: { readOnlyHint: true },
    },
    async ({ chat_id: id }, { mcpReq }) =>
      await answered(context, mcpReq, async () => {
        const isEnough = (): boolean => true;
        const { signal } = mcpReq;
        const chat = await waitForChat(context, caller, id, { seconds: 0, signal, isEnough });
        return { chat: briefChat(chat) };
      }),
  );
  server.registerTool(
    "get_messages",
    {
      description:
        "A page of a chat's messages, oldest first: the newest, or those after or before one.",
      inputSchema: z.strictObject({
        chat_id,
        limit: z.int().min(1).max(limits.pageMessagesMax).default(messagesDefault),
        before: messageId.optional(),
        after: messageId.optional(),
      }),
      annotations: { readOnlyHint: true },
    },
    async ({ chat_id: id, ...query }, { mcpReq }) =>
      await answered(context, mcpReq, async () => {
        const page = await listMessagesCommand(context, caller, id, query);
        return { messages: page.messages.map(briefMessage), has_more: page.has_more };
      }),
  );
  server.registerTool(
    "list_chats",
    {
      description: "Your chats, the one with the newest message first.",
      inputSchema: z.strictObject({
        search: z.string().max(200).optional(),
        limit: z.int().min(1).max(limits.pageChatsMax).default(messagesDefault),
        cursor: z.string().max(500).optional(),
      }),
      annotations: { readOnlyHint: true },
    },
    async (query, { mcpReq }) =>
      await answered(context, mcpReq, async () => {
        const page = await listChatsCommand(context, caller, query);
        return { chats: page.chats.map(briefChat), next_cursor: page.next_cursor };
      }),
  );
  server.registerTool(
    "stop_chat",
    {
      description:
        "Stops what the agent is doing and keeps what it has said. `hold` keeps queued messages back, too.",
      inputSchema: z.strictObject({ chat_id, hold: z.boolean().default(false) }),
      annotations: { idempotentHint: true },
    },
    async ({ chat_id: id, hold }, { mcpReq }) =>
      await answered(context, mcpReq, async () => {
        const body = { hold, wait: true };
        const { signal } = mcpReq;
        const answer = await interruptCommand(context, caller, id, body, keyOf(mcpReq), signal);
        const { chat, message: kept } = answer.body;
        return { chat: briefChat(chat), kept: kept === null ? null : briefMessage(kept) };
      }),
  );
}

type McpReq = ServerContext["mcpReq"];

/** Waits for the turn to end, and gives what was said in it. */
async function turn(
  context: HttpContext,
  caller: Caller,
  chat: Chat,
  after: number,
  seconds: number,
  { signal }: McpReq,
): Promise<JsonObject> {
  const settled = await waitForChat(context, caller, chat.id, {
    seconds,
    signal,
    isEnough: isSettled,
  });
  return await withMessages(context, caller, settled, { after });
}

async function withMessages(
  context: HttpContext,
  caller: Caller,
  chat: Chat,
  { after }: { after: number | undefined },
): Promise<JsonObject> {
  const query = after === undefined ? { limit: messagesDefault } : { after };
  const { messages, queue, has_more } = await listMessagesCommand(context, caller, chat.id, query);
  return {
    chat: briefChat(chat),
    messages: messages.map(briefMessage),
    ...(has_more ? { has_more } : {}),
    ...(queue.length > 0 ? { queued: queue.length } : {}),
    ...(isSettled(chat) ? {} : { note: "The agent is still working: go on with watch_chat." }),
  };
}

/** An answer is data; a refusal is an error that says what the API would have said. */
async function answered(
  { logger }: HttpContext,
  { id }: McpReq,
  fn: () => Promise<JsonObject>,
): Promise<CallToolResult> {
  try {
    const value = await fn();
    return { content: [{ type: "text", text: JSON.stringify(value) }], structuredContent: value };
  } catch (err) {
    const { body, internal } = problemOf(err, String(id));
    if (internal) logger.error({ err }, "an MCP call failed");
    return { content: [{ type: "text", text: `${body.code}: ${body.detail}` }], isError: true };
  }
}

/** A caller that repeats a call after a crash says so here, as our own client does. */
function keyOf({ _meta }: McpReq): string | undefined {
  const key = _meta?.[idempotencyMetaKey];
  return typeof key === "string" ? key : undefined;
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(value).filter(([, item]) => item !== undefined),
  ) as Defined<T>;
}

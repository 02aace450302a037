import {
  editMessageAnswerSchema,
  editMessageSchema,
  listMessagesAnswerSchema,
  listMessagesQuerySchema,
  messageVersionsAnswerSchema,
  sendMessageAnswerSchema,
  sendMessageSchema,
} from "@parley/protocol";
import type { App } from "../app.ts";
import { editMessageCommand } from "../commands/edit-message.ts";
import { listMessagesCommand } from "../commands/list-messages.ts";
import { messageVersionsCommand } from "../commands/message-versions.ts";
import { sendMessageCommand } from "../commands/send-message.ts";
import type { HttpContext } from "../context.ts";
import { answers, bodyRefusals } from "../openapi.ts";
import { chatParams, messageParams, rowId } from "./params.ts";
import { idempotencyKey, keyHeaders, send } from "./reply.ts";

const tags = ["messages"];

export function messageRoutes(app: App, context: HttpContext): void {
  app.route({
    method: "GET",
    url: "/chats/:chat_id/messages",
    schema: {
      operationId: "listMessages",
      tags,
      summary: "A page of the history, oldest first, and the queue",
      params: chatParams,
      querystring: listMessagesQuerySchema,
      response: answers({ 200: listMessagesAnswerSchema }, ["chat_not_found"]),
    },
    handler: async ({ caller, params, query }) =>
      await listMessagesCommand(context, caller, params.chat_id, query),
  });

  app.route({
    method: "POST",
    url: "/chats/:chat_id/messages",
    config: { makesWork: true },
    schema: {
      operationId: "sendMessage",
      tags,
      summary: "Say something; `when_busy` says what becomes of it while the model works",
      params: chatParams,
      body: sendMessageSchema,
      headers: keyHeaders,
      response: answers({ 200: sendMessageAnswerSchema }, [
        ...bodyRefusals,
        "unknown_model",
        "chat_not_found",
        "chat_busy",
        "queue_full",
        "transition_rejected",
        "invalid_state",
        "idempotency_key_reused",
        "draining",
      ]),
    },
    handler: async (request, reply) => {
      const { caller, params, body } = request;
      const key = idempotencyKey(request);
      return send(reply, await sendMessageCommand(context, caller, params.chat_id, body, key));
    },
  });

  app.route({
    method: "PATCH",
    url: "/chats/:chat_id/messages/:message_id",
    config: { makesWork: true },
    schema: {
      operationId: "editMessage",
      tags,
      summary: "Replace a message of the user and everything after it, and answer it anew",
      params: messageParams,
      body: editMessageSchema,
      headers: keyHeaders,
      response: answers({ 200: editMessageAnswerSchema }, [
        ...bodyRefusals,
        "unknown_model",
        "chat_not_found",
        "message_not_found",
        "transition_rejected",
        "invalid_state",
        "idempotency_key_reused",
        "draining",
      ]),
    },
    handler: async (request, reply) => {
      const { caller, params, body } = request;
      const target = { chatId: params.chat_id, messageId: rowId(params.message_id) };
      const key = idempotencyKey(request);
      return send(reply, await editMessageCommand(context, caller, target, body, key));
    },
  });

  app.route({
    method: "GET",
    url: "/chats/:chat_id/messages/:message_id/versions",
    schema: {
      operationId: "listMessageVersions",
      tags,
      summary: "What stood in the place of an edited message before, newest first",
      params: messageParams,
      response: answers({ 200: messageVersionsAnswerSchema }, [
        "chat_not_found",
        "message_not_found",
      ]),
    },
    handler: async ({ caller, params }) => {
      const target = { chatId: params.chat_id, messageId: rowId(params.message_id) };
      return await messageVersionsCommand(context, caller, target);
    },
  });
}

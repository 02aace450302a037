import {
  chatAnswerSchema,
  createChatAnswerSchema,
  createChatSchema,
  emptySchema,
  forkChatSchema,
  getChatAnswerSchema,
  listChatsAnswerSchema,
  listChatsQuerySchema,
  patchChatSchema,
  titleSchema,
  usageAnswerSchema,
} from "@parley/protocol";
import { chatOf } from "../../domain/representation.ts";
import type { App } from "../app.ts";
import { clearContextCommand } from "../commands/clear-context.ts";
import { createChatCommand } from "../commands/create-chat.ts";
import { deleteChatCommand } from "../commands/delete-chat.ts";
import { forkChatCommand } from "../commands/fork-chat.ts";
import { listChatsCommand } from "../commands/list-chats.ts";
import { makeTitleCommand } from "../commands/make-title.ts";
import { patchChatCommand } from "../commands/patch-chat.ts";
import { usageCommand } from "../commands/usage.ts";
import type { HttpContext } from "../context.ts";
import { answers, bodyRefusals } from "../openapi.ts";
import { chatParams } from "./params.ts";
import { idempotencyKey, keyHeaders, send } from "./reply.ts";

const tags = ["chats"];

export function chatRoutes(app: App, context: HttpContext): void {
  app.route({
    method: "POST",
    url: "/chats",
    config: { makesWork: true },
    schema: {
      operationId: "createChat",
      tags,
      summary: "Begin a chat with a first message",
      body: createChatSchema,
      headers: keyHeaders,
      response: answers({ 201: createChatAnswerSchema }, [
        ...bodyRefusals,
        "unknown_model",
        "idempotency_key_reused",
        "draining",
      ]),
    },
    handler: async (request, reply) => {
      const { caller, body } = request;
      return send(reply, await createChatCommand(context, caller, body, idempotencyKey(request)));
    },
  });

  app.route({
    method: "GET",
    url: "/chats",
    schema: {
      operationId: "listChats",
      tags,
      summary:
        "The chats of the caller, or the sub-agents of one, that with the newest message first",
      querystring: listChatsQuerySchema,
      response: answers({ 200: listChatsAnswerSchema }, ["invalid_cursor"]),
    },
    handler: async ({ caller, query }) => await listChatsCommand(context, caller, query),
  });

  app.route({
    method: "GET",
    url: "/chats/:chat_id",
    schema: {
      operationId: "getChat",
      tags,
      summary: "One chat",
      params: chatParams,
      response: answers({ 200: getChatAnswerSchema }, ["chat_not_found"]),
    },
    handler: async ({ caller, params }) => {
      const chat = chatOf(await context.access.read(caller, params.chat_id));
      return { ...chat, chat };
    },
  });

  app.route({
    method: "GET",
    url: "/chats/:chat_id/usage",
    schema: {
      operationId: "getUsage",
      tags,
      summary: "What the chat, and it with its sub-agents, has used",
      params: chatParams,
      response: answers({ 200: usageAnswerSchema }, ["chat_not_found"]),
    },
    handler: async ({ caller, params }) => await usageCommand(context, caller, params.chat_id),
  });

  app.route({
    method: "PATCH",
    url: "/chats/:chat_id",
    schema: {
      operationId: "patchChat",
      tags,
      summary: "Change metadata; archive or unarchive the family of chats",
      params: chatParams,
      body: patchChatSchema,
      headers: keyHeaders,
      response: answers({ 200: chatAnswerSchema }, [
        ...bodyRefusals,
        "chat_not_found",
        "unknown_model",
        "not_family_root",
        "transition_rejected",
        "invalid_state",
        "idempotency_key_reused",
      ]),
    },
    handler: async (request, reply) => {
      const { caller, params, body } = request;
      const key = idempotencyKey(request);
      return send(reply, await patchChatCommand(context, caller, params.chat_id, body, key));
    },
  });

  app.route({
    method: "DELETE",
    url: "/chats/:chat_id",
    schema: {
      operationId: "deleteChat",
      tags,
      summary: "Delete a chat and its descendants",
      params: chatParams,
      headers: keyHeaders,
      response: answers({ 204: null }, ["chat_not_found", "idempotency_key_reused"]),
    },
    handler: async (request, reply) => {
      const { caller, params } = request;
      const key = idempotencyKey(request);
      return send(reply, await deleteChatCommand(context, caller, params.chat_id, key));
    },
  });

  app.route({
    method: "POST",
    url: "/chats/:chat_id/fork",
    config: { makesWork: true },
    schema: {
      operationId: "forkChat",
      tags,
      summary: "Make a new chat from this one, up to a message of it",
      params: chatParams,
      body: forkChatSchema.optional(),
      headers: keyHeaders,
      response: answers({ 201: chatAnswerSchema }, [
        ...bodyRefusals,
        "chat_not_found",
        "message_not_found",
        "idempotency_key_reused",
        "draining",
      ]),
    },
    handler: async (request, reply) => {
      const { caller, params, body } = request;
      const key = idempotencyKey(request);
      return send(reply, await forkChatCommand(context, caller, params.chat_id, body ?? {}, key));
    },
  });

  app.route({
    method: "POST",
    url: "/chats/:chat_id/title",
    schema: {
      operationId: "setTitle",
      tags,
      summary: "Give the chat a title, or have one made",
      description:
        "Without `title` the server makes one in the background, in place of the one that is there: the answer is 202, and " +
        "the new title comes with the `chat` event.",
      params: chatParams,
      body: titleSchema,
      headers: keyHeaders,
      response: answers({ 200: chatAnswerSchema, 202: chatAnswerSchema }, [
        ...bodyRefusals,
        "chat_not_found",
        "idempotency_key_reused",
      ]),
    },
    handler: async (request, reply) => {
      const { caller, params, body } = request;
      const { title } = body;
      const key = idempotencyKey(request);
      if (title === undefined) {
        return send(reply, await makeTitleCommand(context, caller, params.chat_id, key));
      }
      return send(reply, await patchChatCommand(context, caller, params.chat_id, { title }, key));
    },
  });

  app.route({
    method: "POST",
    url: "/chats/:chat_id/clear",
    schema: {
      operationId: "clearContext",
      tags,
      summary: "Let the model begin anew; the transcript stays",
      params: chatParams,
      body: emptySchema.optional(),
      headers: keyHeaders,
      response: answers({ 200: createChatAnswerSchema }, [
        ...bodyRefusals,
        "chat_not_found",
        "nothing_to_clear",
        "transition_rejected",
        "invalid_state",
        "idempotency_key_reused",
      ]),
    },
    handler: async (request, reply) => {
      const { caller, params } = request;
      const key = idempotencyKey(request);
      return send(reply, await clearContextCommand(context, caller, params.chat_id, key));
    },
  });
}

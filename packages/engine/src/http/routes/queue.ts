import {
  chatQueueAnswerSchema,
  editQueuedSchema,
  emptySchema,
  queueAnswerSchema,
  type ErrorCode,
} from "@parley/protocol";
import type { App } from "../app.ts";
import { deleteQueuedCommand } from "../commands/delete-queued.ts";
import { editQueuedCommand } from "../commands/edit-queued.ts";
import { promoteQueuedCommand } from "../commands/promote-queued.ts";
import type { QueuedTarget } from "../commands/queued-target.ts";
import type { HttpContext } from "../context.ts";
import { answers, bodyRefusals } from "../openapi.ts";
import { queuedParams, rowId } from "./params.ts";
import { idempotencyKey, keyHeaders, send } from "./reply.ts";

const tags = ["queue"];

const refusals: readonly ErrorCode[] = [
  "chat_not_found",
  "queued_message_not_found",
  "transition_rejected",
  "invalid_state",
  "idempotency_key_reused",
];

export function queueRoutes(app: App, context: HttpContext): void {
  app.route({
    method: "PATCH",
    url: "/chats/:chat_id/queue/:queued_id",
    schema: {
      operationId: "editQueuedMessage",
      tags,
      summary: "Change a message that waits, or its place",
      params: queuedParams,
      body: editQueuedSchema,
      headers: keyHeaders,
      response: answers({ 200: queueAnswerSchema }, [...bodyRefusals, ...refusals]),
    },
    handler: async (request, reply) => {
      const { caller, params, body } = request;
      const key = idempotencyKey(request);
      return send(reply, await editQueuedCommand(context, caller, targetOf(params), body, key));
    },
  });

  app.route({
    method: "DELETE",
    url: "/chats/:chat_id/queue/:queued_id",
    schema: {
      operationId: "deleteQueuedMessage",
      tags,
      summary: "Take a message that waits out of the queue",
      params: queuedParams,
      headers: keyHeaders,
      response: answers({ 200: chatQueueAnswerSchema }, refusals),
    },
    handler: async (request, reply) => {
      const { caller, params } = request;
      const key = idempotencyKey(request);
      return send(reply, await deleteQueuedCommand(context, caller, targetOf(params), key));
    },
  });

  app.route({
    method: "POST",
    url: "/chats/:chat_id/queue/:queued_id/promote",
    config: { makesWork: true },
    schema: {
      operationId: "promoteQueuedMessage",
      tags,
      summary: "Bring a message that waits to its turn now",
      params: queuedParams,
      body: emptySchema.optional(),
      headers: keyHeaders,
      response: answers({ 200: chatQueueAnswerSchema }, [...bodyRefusals, ...refusals, "draining"]),
    },
    handler: async (request, reply) => {
      const { caller, params } = request;
      const key = idempotencyKey(request);
      return send(reply, await promoteQueuedCommand(context, caller, targetOf(params), key));
    },
  });
}

function targetOf(params: { chat_id: string; queued_id: string }): QueuedTarget {
  return { chatId: params.chat_id, queuedId: rowId(params.queued_id) };
}

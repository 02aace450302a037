import {
  approvalsSchema,
  chatAnswerSchema,
  emptySchema,
  interruptAnswerSchema,
  interruptQuerySchema,
  interruptSchema,
  toolResultsAnswerSchema,
  toolResultsSchema,
} from "@parley/protocol";
import type { FastifyReply } from "fastify";
import { linked } from "../../lib/abort.ts";
import type { App } from "../app.ts";
import { approvalsCommand } from "../commands/approvals.ts";
import { interruptCommand } from "../commands/interrupt.ts";
import { toolResultsCommand } from "../commands/tool-results.ts";
import { compactCommand, reconcileCommand, retryCommand } from "../commands/turn.ts";
import type { HttpContext } from "../context.ts";
import { answers, bodyRefusals } from "../openapi.ts";
import { chatParams } from "./params.ts";
import { idempotencyKey, keyHeaders, send } from "./reply.ts";

const tags = ["turn"];

export function turnRoutes(app: App, context: HttpContext): void {
  app.route({
    method: "POST",
    url: "/chats/:chat_id/interrupt",
    schema: {
      operationId: "interrupt",
      tags,
      summary: "Stop the running turn and keep what was said",
      description:
        "`turn` names the user message whose turn is meant, so that the next one is never hit. `hold` keeps the " +
        "queue back. With `?wait=true` the answer has the kept partial; 202 where that takes more than 10 s.",
      params: chatParams,
      querystring: interruptQuerySchema,
      body: interruptSchema.optional(),
      headers: keyHeaders,
      response: answers({ 200: interruptAnswerSchema, 202: interruptAnswerSchema }, [
        ...bodyRefusals,
        "chat_not_found",
        "invalid_state",
        "idempotency_key_reused",
      ]),
    },
    handler: async (request, reply) => {
      const { caller, params, query } = request;
      const body = { ...request.body, wait: query.wait === "true" };
      const key = idempotencyKey(request);
      const { chat_id } = params;
      const answer = await whileConnected(reply, context, (signal) =>
        interruptCommand(context, caller, chat_id, body, key, signal),
      );
      return send(reply, answer);
    },
  });

  app.route({
    method: "POST",
    url: "/chats/:chat_id/retry",
    config: { makesWork: true },
    schema: {
      operationId: "retryTurn",
      tags,
      summary: "Run a failed turn again",
      params: chatParams,
      body: emptySchema.optional(),
      headers: keyHeaders,
      response: answers({ 200: chatAnswerSchema }, [
        ...bodyRefusals,
        "chat_not_found",
        "nothing_to_retry",
        "transition_rejected",
        "invalid_state",
        "idempotency_key_reused",
        "draining",
      ]),
    },
    handler: async (request, reply) => {
      const { caller, params } = request;
      const key = idempotencyKey(request);
      return send(reply, await retryCommand(context, caller, params.chat_id, key));
    },
  });

  app.route({
    method: "POST",
    url: "/chats/:chat_id/compact",
    config: { makesWork: true },
    schema: {
      operationId: "compact",
      tags,
      summary: "Summarise the context that the model is given; the transcript stays",
      description:
        "For a chat that is idle or has failed: a failed turn goes on afterwards. The stream shows when it is done, " +
        "as a call of `compact_context` with its result.",
      params: chatParams,
      body: emptySchema.optional(),
      headers: keyHeaders,
      response: answers({ 200: chatAnswerSchema }, [
        ...bodyRefusals,
        "chat_not_found",
        "nothing_to_compact",
        "transition_rejected",
        "invalid_state",
        "idempotency_key_reused",
        "draining",
      ]),
    },
    handler: async (request, reply) => {
      const { caller, params } = request;
      const key = idempotencyKey(request);
      return send(reply, await compactCommand(context, caller, params.chat_id, key));
    },
  });

  app.route({
    method: "POST",
    url: "/chats/:chat_id/reconcile",
    schema: {
      operationId: "reconcile",
      tags,
      summary: "Repair a chat that is in an invalid state; nothing of it is lost",
      params: chatParams,
      body: emptySchema.optional(),
      headers: keyHeaders,
      response: answers({ 200: chatAnswerSchema }, [
        ...bodyRefusals,
        "chat_not_found",
        "transition_rejected",
        "idempotency_key_reused",
      ]),
    },
    handler: async (request, reply) => {
      const { caller, params } = request;
      const key = idempotencyKey(request);
      return send(reply, await reconcileCommand(context, caller, params.chat_id, key));
    },
  });

  app.route({
    method: "POST",
    url: "/chats/:chat_id/tool-results",
    schema: {
      operationId: "submitToolResults",
      tags,
      summary: "Results of the tools that the client runs; one by one or together",
      params: chatParams,
      body: toolResultsSchema,
      headers: keyHeaders,
      response: answers({ 200: toolResultsAnswerSchema }, [
        ...bodyRefusals,
        "chat_not_found",
        "tool_result_mismatch",
        "transition_rejected",
        "invalid_state",
        "idempotency_key_reused",
      ]),
    },
    handler: async (request, reply) => {
      const { caller, params, body } = request;
      const key = idempotencyKey(request);
      return send(reply, await toolResultsCommand(context, caller, params.chat_id, body, key));
    },
  });

  app.route({
    method: "POST",
    url: "/chats/:chat_id/approvals",
    schema: {
      operationId: "decideApprovals",
      tags,
      summary: "Approve or deny tool calls that ask for it",
      params: chatParams,
      body: approvalsSchema,
      headers: keyHeaders,
      response: answers({ 200: chatAnswerSchema }, [
        ...bodyRefusals,
        "chat_not_found",
        "tool_result_mismatch",
        "transition_rejected",
        "invalid_state",
        "idempotency_key_reused",
      ]),
    },
    handler: async (request, reply) => {
      const { caller, params, body } = request;
      const key = idempotencyKey(request);
      return send(reply, await approvalsCommand(context, caller, params.chat_id, body, key));
    },
  });
}

/** The signal aborts when the client is gone or the server drains: then nobody waits any more. */
async function whileConnected<T>(
  reply: FastifyReply,
  { draining }: HttpContext,
  fn: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = linked(draining);
  const onClose = (): void => over.abort();
  reply.raw.on("close", onClose);
  try {
    return await fn(over.signal);
  } finally {
    reply.raw.off("close", onClose);
    over.dispose();
  }
}

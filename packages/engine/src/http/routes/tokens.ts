import {
  createTokenAnswerSchema,
  createTokenSchema,
  emptySchema,
  streamTicketAnswerSchema,
  tokensAnswerSchema,
} from "@parley/protocol";
import type { App } from "../app.ts";
import { streamTicketCommand } from "../commands/stream-ticket.ts";
import { createTokenCommand, listTokensCommand, revokeTokenCommand } from "../commands/tokens.ts";
import type { HttpContext } from "../context.ts";
import { answers, bodyRefusals } from "../openapi.ts";
import { chatParams, tokenParams } from "./params.ts";

export function tokenRoutes(app: App, context: HttpContext): void {
  app.route({
    method: "GET",
    url: "/tokens",
    schema: {
      operationId: "listTokens",
      tags: ["tokens"],
      summary: "The caller's tokens",
      response: answers({ 200: tokensAnswerSchema }),
    },
    handler: async ({ caller }) => await listTokensCommand(context, caller),
  });

  app.route({
    method: "POST",
    url: "/tokens",
    schema: {
      operationId: "createToken",
      tags: ["tokens"],
      summary: "A new token for the caller; its secret is shown this once",
      body: createTokenSchema,
      response: answers({ 201: createTokenAnswerSchema }, bodyRefusals),
    },
    handler: async ({ caller, body }, reply) =>
      reply.code(201).send(await createTokenCommand(context, caller, body)),
  });

  app.route({
    method: "DELETE",
    url: "/tokens/:token_id",
    schema: {
      operationId: "revokeToken",
      tags: ["tokens"],
      summary: "Revoke a token; its streams end",
      params: tokenParams,
      response: answers({ 204: null }, ["not_found"]),
    },
    handler: async ({ caller, params }, reply) => {
      await revokeTokenCommand(context, caller, params.token_id);
      return reply.code(204).send();
    },
  });

  app.route({
    method: "POST",
    url: "/chats/:chat_id/stream-tickets",
    schema: {
      operationId: "createStreamTicket",
      tags: ["streams"],
      summary:
        "A ticket that opens this chat's stream once, within 60 s, where no header can be sent",
      params: chatParams,
      body: emptySchema.optional(),
      response: answers({ 201: streamTicketAnswerSchema }, [...bodyRefusals, "chat_not_found"]),
    },
    handler: async ({ caller, params }, reply) =>
      reply.code(201).send(await streamTicketCommand(context, caller, params.chat_id)),
  });

  app.route({
    method: "POST",
    url: "/stream-tickets",
    schema: {
      operationId: "createWatchTicket",
      tags: ["streams"],
      summary: "A ticket that opens the stream of the list once, within 60 s",
      body: emptySchema.optional(),
      response: answers({ 201: streamTicketAnswerSchema }, bodyRefusals),
    },
    handler: async ({ caller }, reply) =>
      reply.code(201).send(await streamTicketCommand(context, caller, null)),
  });
}

import { streamQuerySchema } from "@parley/protocol";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { App } from "../app.ts";
import { NotAcceptable } from "../errors.ts";
import { answers } from "../openapi.ts";
import { openStream, type StreamContext } from "../transports/open.ts";
import { sseHeaders, SseWire } from "../transports/sse.ts";
import { chatParams } from "./params.ts";

const streamAnswers = answers({ 200: z.string().meta({ description: "Server-Sent Events" }) }, [
  "invalid_cursor",
  "chat_not_found",
  "not_acceptable",
  "draining",
]);

/** Streams as Server-Sent Events; the same addresses take WebSocket upgrades (`transports/upgrade.ts`). */
export function streamRoutes(app: App, context: StreamContext): void {
  app.route({
    method: "GET",
    url: "/chats/:chat_id/stream",
    exposeHeadRoute: false,
    config: { auth: "handler" },
    schema: {
      operationId: "streamChat",
      tags: ["streams"],
      summary: "The chat as a stream: what is committed, then the reply as it is generated",
      description:
        "Server-Sent Events (`event`, `id`: the cursor, `data`), or a WebSocket whose frames are JSON arrays of " +
        "`{type, cursor, data}`. A stream that the server ends says why: `event: close`, or the close code.",
      params: chatParams,
      querystring: streamQuerySchema,
      response: streamAnswers,
    },
    handler: async (request, reply) =>
      await stream(context, request, reply, request.params.chat_id, request.query),
  });

  app.route({
    method: "GET",
    url: "/chats/watch",
    exposeHeadRoute: false,
    config: { auth: "handler" },
    schema: {
      operationId: "watchChats",
      tags: ["streams"],
      summary: "The list of chats as a stream",
      querystring: streamQuerySchema,
      response: streamAnswers,
    },
    handler: async (request, reply) => await stream(context, request, reply, null, request.query),
  });
}

async function stream(
  context: StreamContext,
  request: FastifyRequest,
  reply: FastifyReply,
  chatId: string | null,
  query: z.infer<typeof streamQuerySchema>,
): Promise<FastifyReply> {
  if (!acceptsEvents(request.headers.accept)) throw new NotAcceptable();
  const gone = new AbortController();
  const onGone = (): void => gone.abort();
  reply.raw.on("close", onGone);
  const opening = openStream(context, {
    chatId,
    headers: request.headers,
    cursor: query.cursor,
    ticket: query.ticket,
    isWebSocket: false,
    signal: gone.signal,
  });
  const opened = await opening.catch((error: unknown) => {
    // Whoever has left meanwhile is no failure, and gets no answer.
    if (gone.signal.aborted) return null;
    throw error;
  });
  if (opened === null) return reply.hijack();
  const { session, subscription } = opened;
  if (gone.signal.aborted) {
    session.gone();
    subscription.close();
    return reply.hijack();
  }
  reply.hijack();
  reply.raw.writeHead(200, { ...headersOf(reply), ...sseHeaders });
  reply.raw.flushHeaders();
  session.attach(new SseWire(reply.raw, session), subscription);
  return reply;
}

function headersOf(reply: FastifyReply): Record<string, string> {
  return Object.fromEntries(
    Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)]),
  );
}

function acceptsEvents(accept: string | undefined): boolean {
  return accept === undefined || /text\/event-stream|text\/\*|\*\/\*/i.test(accept);
}

import type { IncomingHttpHeaders } from "node:http";
import type { Streams, Subscription, WatchStreams } from "../../stream/ports.ts";
import { authenticate, type Site } from "../auth/authenticate.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { Draining, Unauthorized } from "../errors.ts";
import { StreamSession } from "./stream-session.ts";

/** What streams are made of, besides what every route has. */
export interface StreamContext extends HttpContext {
  readonly streams: Streams;
  readonly watch: WatchStreams;
  readonly site: () => Site;
}

export interface StreamRequest {
  /** Null: the list of chats. */
  readonly chatId: string | null;
  readonly headers: IncomingHttpHeaders;
  readonly cursor: string | undefined;
  readonly ticket: string | undefined;
  readonly isWebSocket: boolean;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
}

export interface OpenedStream {
  readonly caller: Caller;
  readonly session: StreamSession;
  readonly subscription: Subscription;
}

/**
 * Everything up to the first byte, the same for both transports: who asks, whether he may, and the subscription.
 * Whatever it throws is answered as an ordinary problem.
 */
export async function openStream(
  context: StreamContext,
  request: StreamRequest,
): Promise<OpenedStream> {
  if (context.draining.aborted) throw new Draining();
  const caller = await callerOf(context, request);
  const { clock, limits, streamRegistry } = context;
  const session = new StreamSession({ clock, ...limits });
  // Before the wait, so that a revocation that comes meanwhile ends this stream too.
  session.onOver(streamRegistry.add(caller.tokenId, session));
  try {
    const subscription = await subscribe(context, request, caller, session);
    return { caller, session, subscription };
  } catch (error) {
    session.gone();
    throw error;
  }
}

async function callerOf(context: StreamContext, request: StreamRequest): Promise<Caller> {
  const { authenticator } = context;
  if (request.ticket !== undefined) {
    const chatId = request.chatId?.toLowerCase() ?? null;
    const caller = await authenticator.byTicket(request.ticket, chatId);
    if (caller === null) throw new Unauthorized();
    return caller;
  }
  const { headers, isWebSocket } = request;
  // Browsers let any page open a WebSocket and send the cookie along: only the Origin tells.
  return await authenticate(authenticator, context.site(), { headers, mutates: isWebSocket });
}

async function subscribe(
  context: StreamContext,
  request: StreamRequest,
  caller: Caller,
  session: StreamSession,
): Promise<Subscription> {
  const common = {
    principalId: caller.principalId,
    cursor: cursorOf(request),
    sink: session,
    signal: request.signal,
  };
  if (request.chatId === null) return await context.watch.open(common);
  const chat = await context.access.read(caller, request.chatId);
  return await context.streams.open({ chat, ...common });
}

/** An `EventSource` that reconnects repeats the query of its first request: the header is the newer one then. */
function cursorOf(request: StreamRequest): string | null {
  const lastEventId = request.headers["last-event-id"];
  const given =
    typeof lastEventId === "string" && lastEventId !== "" ? lastEventId : request.cursor;
  return given === undefined || given === "" ? null : given;
}

import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { streamQuerySchema } from "@parley/protocol";
import { WebSocketServer, type WebSocket } from "ws";
import type { Scope } from "../../lib/scope.ts";
import { nextTurn } from "../../stream/turn.ts";
import { InvalidRequest, MethodNotAllowed, NotFound } from "../errors.ts";
import { checkStorable } from "../json-body.ts";
import { problemOf } from "../problem.ts";
import { endWithProblem } from "../raw-problem.ts";
import { Frames } from "./frames.ts";
import { openStream, type StreamContext } from "./open.ts";
import { WebSocketWire } from "./websocket.ts";

/** WebSockets live at the addresses of the event streams; nothing else here is an upgrade. */
export function acceptWebSockets(server: Server, context: StreamContext, scope: Scope): void {
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // Ten times the CPU for streams whose every frame is small.
    perMessageDeflate: false,
    maxPayload: context.limits.clientFrameBytesMax,
  });
  const door: Door = { sockets, frames: new Frames() };
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    void scope.run("websocket upgrade", () => upgrade(door, context, request, socket, head));
  });
}

/** As proxies log it: the client closed the connection before it was answered. */
const clientGone = 499;

interface Door {
  readonly sockets: WebSocketServer;
  readonly frames: Frames;
}

async function upgrade(
  { sockets, frames }: Door,
  context: StreamContext,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const requestId = context.random.uuid();
  const gone = new AbortController();
  const onGone = (): void => gone.abort();
  socket.on("error", onGone);
  socket.on("close", onGone);
  let status = 101;
  try {
    const { chatId, cursor, ticket } = targetOf(request);
    const opened = await openStream(context, {
      chatId,
      cursor,
      ticket,
      headers: request.headers,
      isWebSocket: true,
      signal: gone.signal,
    });
    const { session, subscription } = opened;
    // The answer to the handshake and the first frame, which comes within the turn, are one write and one packet.
    socket.cork();
    nextTurn(() => socket.uncork());
    const webSocket = gone.signal.aborted ? null : handshake(sockets, request, socket, head);
    if (webSocket) {
      session.attach(new WebSocketWire(webSocket, socket, frames, session), subscription);
    } else {
      session.gone();
      subscription.close();
    }
  } catch (error) {
    // Whoever has left is told nothing, and nothing has failed here.
    if (gone.signal.aborted) status = clientGone;
    else status = refuse(context, socket, error, requestId);
  } finally {
    const route = "websocket upgrade";
    context.logger.info({ request_id: requestId, method: "GET", route, status }, "request");
  }
}

interface Target {
  readonly chatId: string | null;
  readonly cursor: string | undefined;
  readonly ticket: string | undefined;
}

const streamPath = /^\/api\/v1\/chats\/(?:watch|([^/]+)\/stream)$/;

/** @throws NotFound, InvalidRequest */
function targetOf(request: IncomingMessage): Target {
  const address = request.url ?? "/";
  const url = URL.parse(address, "http://parley");
  if (url === null) throw new NotFound();
  const match = streamPath.exec(url.pathname);
  if (!match) throw new NotFound("There is no stream here.");
  if (request.method !== "GET") throw new MethodNotAllowed(request.method ?? "?", ["GET"]);
  const { "sec-websocket-key": key, "sec-websocket-version": version } = request.headers;
  if (key === undefined || !/^[+/0-9a-z]{22}==$/i.test(key) || version !== "13") {
    throw new InvalidRequest("This is no WebSocket handshake of version 13.");
  }
  const names = [...url.searchParams.keys()];
  const query = streamQuerySchema.safeParse(Object.fromEntries(url.searchParams));
  if (!query.success || new Set(names).size !== names.length) {
    throw new InvalidRequest("The query may have one cursor and one ticket, and nothing else.");
  }
  checkStorable(query.data, "The query");
  return { chatId: match[1] ?? null, cursor: query.data.cursor, ticket: query.data.ticket };
}

/** Null where the library refused the handshake after all; it has answered then. */
function handshake(
  sockets: WebSocketServer,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): WebSocket | null {
  let opened: WebSocket | null = null;
  sockets.handleUpgrade(request, socket, head, (webSocket) => void (opened = webSocket));
  return opened;
}

/** An upgrade that fails is answered like any other request, by hand: the framework has no part in it. */
function refuse(context: StreamContext, socket: Duplex, error: unknown, requestId: string): number {
  const problem = problemOf(error, requestId);
  if (problem.internal) {
    context.logger.error({ err: error, request_id: requestId }, "a stream could not be opened");
  }
  endWithProblem(socket, problem, requestId);
  return problem.status;
}

import { streamCloses, type StreamCloseReason } from "@parley/protocol";
import { urlOf } from "../call.ts";
import type { ClientContext } from "../options.ts";
import { endOf, whileOpen, type ConnectionHandlers, type Transport } from "./transport.ts";
import type { WebSocketLike, WebSockets } from "./websocket-adapter.ts";

export interface WebSocketTransportOptions {
  context: ClientContext;
  webSockets: WebSockets;
  path: string;
  /** Fetches a ticket for a runtime that cannot send headers. Absent: the path takes none. */
  ticket?: ((signal: AbortSignal) => Promise<string>) | undefined;
  /**
   * Carries the connection where no WebSocket opens. A WebSocket does not say why it was refused, an
   * HTTP answer does; and where only a proxy stands in the way, the stream comes like this.
   */
  fallback: Transport;
}

const normalClosure = 1000;

export function webSocketTransport(options: WebSocketTransportOptions): Transport {
  return {
    connect(cursor, handlers) {
      let live: { close(): void } | null = null;
      const abort = new AbortController();
      const { signal } = abort;
      const guarded = whileOpen(handlers, () => signal.aborted);
      const fallBack = () => {
        if (!signal.aborted) live = options.fallback.connect(cursor, guarded);
      };
      void credentials(options, signal).then(
        (credential) => {
          if (signal.aborted) return;
          if (credential === null) return fallBack();
          live = openSocket(options, cursor, credential, guarded, fallBack);
        },
        (error: unknown) => guarded.ended(endOf(error)),
      );
      return {
        close() {
          abort.abort();
          live?.close();
        },
      };
    },
  };
}

interface Credential {
  headers?: Record<string, string>;
  ticket?: string;
}

/** Null: a WebSocket cannot say who asks. */
async function credentials(
  options: WebSocketTransportOptions,
  signal: AbortSignal,
): Promise<Credential | null> {
  const token = await options.context.token();
  if (token === undefined) return {};
  if (options.webSockets.sendsHeaders) return { headers: { authorization: `Bearer ${token}` } };
  return options.ticket === undefined ? null : { ticket: await options.ticket(signal) };
}

function openSocket(
  { context, webSockets, path }: WebSocketTransportOptions,
  cursor: string | undefined,
  { headers, ticket }: Credential,
  handlers: ConnectionHandlers,
  fallBack: () => void,
): { close(): void } {
  const url = urlOf(context, { path, query: { cursor, ticket } }).replace(/^http/, "ws");
  let socket: WebSocketLike;
  try {
    socket = webSockets.open(url, headers);
  } catch {
    fallBack();
    return { close: () => {} };
  }
  let opened = false;
  socket.onopen = () => {
    opened = true;
    handlers.opened();
  };
  socket.onmessage = ({ data }) => {
    const values = parseFrame(data);
    if (values === null) {
      // The close that follows is ours: it says nothing that this has not.
      socket.onclose = null;
      socket.close(normalClosure);
      handlers.ended({ kind: "failed", error: new Error("a frame is not a list of events") });
    } else if (values.length === 0) {
      handlers.heard();
    } else {
      handlers.events(values, (data as string).length);
    }
  };
  // A close event follows every error; Node throws what nobody listens to.
  socket.onerror = () => {};
  socket.onclose = ({ code }) => {
    if (!opened) return fallBack();
    const reason = reasonOf(code);
    handlers.ended(
      reason === null
        ? { kind: "failed", error: new Error(`the WebSocket closed with ${code}`) }
        : { kind: "closed", reason },
    );
  };
  return {
    close() {
      // What still arrives while it closes is nobody's.
      socket.onmessage = null;
      socket.onclose = null;
      socket.close(normalClosure);
    },
  };
}

function parseFrame(data: unknown): unknown[] | null {
  if (typeof data !== "string") return null;
  try {
    const value: unknown = JSON.parse(data);
    return Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function reasonOf(code: number): StreamCloseReason | null {
  for (const [reason, close] of Object.entries(streamCloses)) {
    if (close.code === code) return reason as StreamCloseReason;
  }
  return null;
}

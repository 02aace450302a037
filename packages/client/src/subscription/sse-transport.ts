import { streamCloses, type StreamCloseReason } from "@parley/protocol";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { problemOf, urlOf } from "../call.ts";
import type { ClientContext } from "../options.ts";
import { endOf, whileOpen, type ConnectionHandlers, type Transport } from "./transport.ts";

/** A server that never ends an event must not fill memory. A message is far smaller. */
const eventCharsMax = 64 * 1024 * 1024;

/** Server-sent events over `fetch`, which, unlike a browser's `EventSource`, sends headers and sees the status. */
export function sseTransport(context: ClientContext, path: string): Transport {
  return {
    connect(cursor, handlers) {
      const abort = new AbortController();
      const guarded = whileOpen(handlers, () => abort.signal.aborted);
      void follow(context, path, cursor, guarded, abort.signal)
        .catch((error: unknown) => guarded.ended(endOf(error)))
        // Whatever ended it, the response is not to be left open.
        .finally(() => abort.abort());
      return { close: () => abort.abort() };
    },
  };
}

async function follow(
  context: ClientContext,
  path: string,
  cursor: string | undefined,
  handlers: ConnectionHandlers,
  signal: AbortSignal,
): Promise<void> {
  const token = await context.token();
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
  const url = urlOf(context, { path, query: { cursor } });
  const response = await context.fetch(url, { headers, signal, cache: "no-store" });
  if (!response.ok) throw problemOf(response, await response.text(), context.runtime.wallMs());
  const type = response.headers.get("content-type") ?? "";
  if (!type.startsWith("text/event-stream") || response.body === null) {
    throw new Error(`the answer is not a stream of events but ${type || "of no type"}`);
  }
  handlers.opened();
  let events: EventSourceMessage[] = [];
  const parser = createParser({
    maxBufferSize: eventCharsMax,
    onEvent: (event) => events.push(event),
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") throw error;
    },
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the stream broke off");
    events = [];
    parser.feed(value);
    const close = events.find((event) => event.event === "close");
    const carried = events.filter((event) => event !== close);
    if (carried.length === 0) handlers.heard();
    else handlers.events(carried.map(toEvent), value.length);
    if (close !== undefined) {
      handlers.ended({ kind: "closed", reason: reasonOf(close.data) });
      return;
    }
  }
}

function toEvent({ event, data, id }: EventSourceMessage): unknown {
  const value = { type: event, data: JSON.parse(data) as unknown };
  return id === undefined ? value : { ...value, cursor: id };
}

/** A reason that this client does not know is a newer server's: come back and see. */
function reasonOf(data: string): StreamCloseReason {
  const { code } = JSON.parse(data) as { code?: string };
  return code !== undefined && Object.hasOwn(streamCloses, code)
    ? (code as StreamCloseReason)
    : "reconnect";
}

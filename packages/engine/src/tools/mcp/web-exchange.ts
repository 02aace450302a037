import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { McpHttpHandler, McpHandlerRequestOptions } from "@modelcontextprotocol/server";

/**
 * Serves one request of Node's HTTP server with a handler of web requests, and resolves when it has been answered. A client
 * that goes away aborts the request, and with it the call.
 */
export async function exchange(
  handler: Pick<McpHttpHandler, "fetch">,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  options: McpHandlerRequestOptions = {},
): Promise<void> {
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort());
  const request = webRequest(incoming, gone.signal, options.parsedBody !== undefined);
  const response = await handler.fetch(request, options);
  // Whether the connection stays is between Node and the client: one who asks for its end waits for it.
  response.headers.delete("connection");
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  if (response.body === null) {
    outgoing.end();
    return;
  }
  // Headers first: what is streamed may begin much later.
  outgoing.flushHeaders();
  try {
    await pipeline(Readable.fromWeb(response.body), outgoing);
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  }
}

function webRequest(incoming: IncomingMessage, signal: AbortSignal, hasBody: boolean): Request {
  const { method = "GET", url = "/", headers } = incoming;
  const pairs = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]],
  );
  const reads = hasBody || method === "GET" || method === "HEAD";
  return new Request(new URL(url, "http://server.invalid"), {
    method,
    headers: pairs,
    signal,
    ...(reads ? {} : { body: Readable.toWeb(incoming), duplex: "half" as const }),
  });
}

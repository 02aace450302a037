import type { IncomingMessage } from "node:http";

/** Name, value, name, value: as Node reads and writes headers that may come more than once. */
export type RawHeaders = readonly string[];

/** What concerns one connection and not the message (RFC 9110, section 7.6.1). */
const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** We have asked for the body ourselves by the time it is passed on. */
const answeredHere: ReadonlySet<string> = new Set(["expect"]);

/** Only we say these: what a client claims about itself would be believed otherwise. */
const forwarded: ReadonlySet<string> = new Set([
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
]);

/** The headers of an ordinary request, for the replica, on a connection that carries nothing else. */
export function requestHeaders(request: IncomingMessage): string[] {
  const own = ownToConnection(request.rawHeaders);
  const kept = without(
    request.rawHeaders,
    (name) => own.has(name) || answeredHere.has(name) || forwarded.has(name),
  );
  // Node frames the body by this: one of unknown length is sent on in chunks.
  if (request.headers["transfer-encoding"] !== undefined) kept.push("transfer-encoding", "chunked");
  return [...kept, "connection", "close", ...forwardedHeaders(request)];
}

/** The headers of an upgrade, which itself is hop by hop and is what is wanted here. */
export function upgradeHeaders(request: IncomingMessage): string[] {
  return [
    ...without(request.rawHeaders, (name) => forwarded.has(name)),
    ...forwardedHeaders(request),
  ];
}

/** The headers of a replica's answer, for the client. */
export function responseHeaders(rawHeaders: RawHeaders): string[] {
  const own = ownToConnection(rawHeaders);
  return without(rawHeaders, (name) => own.has(name));
}

/** The request line and headers as they go over the wire. */
export function requestHead(
  { method = "GET", url = "/" }: Pick<IncomingMessage, "method" | "url">,
  headers: RawHeaders,
): string {
  const lines = pairs(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${url} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

function forwardedHeaders({ socket }: IncomingMessage): string[] {
  return ["x-forwarded-for", socket.remoteAddress ?? "unknown", "x-forwarded-proto", "http"];
}

/** The hop-by-hop ones, and those that `Connection` names. */
function ownToConnection(headers: RawHeaders): ReadonlySet<string> {
  const own = new Set(hopByHop);
  for (const [name, value] of pairs(headers)) {
    if (name.toLowerCase() !== "connection") continue;
    for (const named of value.split(",")) own.add(named.trim().toLowerCase());
  }
  return own;
}

function without(headers: RawHeaders, drop: (name: string) => boolean): string[] {
  return pairs(headers)
    .filter(([name]) => !drop(name.toLowerCase()))
    .flat();
}

function pairs(headers: RawHeaders): [name: string, value: string][] {
  const found: [string, string][] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    found.push([headers[at] ?? "", headers[at + 1] ?? ""]);
  }
  return found;
}

import type { IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { requestHead, requestHeaders, responseHeaders, upgradeHeaders } from "./forwarding.ts";

function incoming(rawHeaders: string[], method = "POST", url = "/a?b=c"): IncomingMessage {
  const headers: Record<string, string> = {};
  for (let at = 0; at < rawHeaders.length; at += 2) {
    headers[rawHeaders[at]!.toLowerCase()] = rawHeaders[at + 1]!;
  }
  return {
    rawHeaders,
    headers,
    method,
    url,
    socket: { remoteAddress: "127.0.0.1" },
  } as unknown as IncomingMessage;
}

const ours = ["x-forwarded-for", "127.0.0.1", "x-forwarded-proto", "http"];

test("what belongs to one connection stays on it, also what Connection names", () => {
  const raw = [
    "Host",
    "h",
    "Connection",
    "keep-alive, X-Own",
    "X-Own",
    "1",
    "Keep-Alive",
    "t",
    "TE",
    "x",
  ];
  expect(requestHeaders(incoming(raw))).toEqual(["Host", "h", "connection", "close", ...ours]);
  expect(
    responseHeaders(["Connection", "close", "Transfer-Encoding", "chunked", "A", "b"]),
  ).toEqual(["A", "b"]);
});

test("headers that come twice stay two, in order", () => {
  const raw = ["Set-Cookie", "a=1", "X", "y", "Set-Cookie", "b=2"];
  expect(responseHeaders(raw)).toEqual(raw);
});

test("a body of unknown length goes on in chunks", () => {
  const headers = requestHeaders(incoming(["Transfer-Encoding", "chunked"]));
  expect(headers).toEqual(["transfer-encoding", "chunked", "connection", "close", ...ours]);
});

test("a client's word about where it comes from is not passed on", () => {
  const raw = [
    "X-Forwarded-For",
    "10.0.0.1",
    "Forwarded",
    "for=10.0.0.1",
    "X-Forwarded-Proto",
    "https",
  ];
  expect(requestHeaders(incoming(raw))).toEqual(["connection", "close", ...ours]);
  expect(upgradeHeaders(incoming(raw))).toEqual(ours);
});

test("an upgrade is passed on as it came", () => {
  const raw = ["Host", "h", "Connection", "Upgrade", "Upgrade", "websocket"];
  const request = incoming(raw, "GET", "/stream");
  expect(requestHead(request, upgradeHeaders(request))).toBe(
    "GET /stream HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "x-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\n\r\n",
  );
});

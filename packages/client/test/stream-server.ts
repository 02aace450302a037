import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ChatEvent } from "@parley/protocol";
import { WebSocketServer, type WebSocket } from "ws";

/** A connection that the client has opened, to be driven by the test. */
export interface ServerStream {
  transport: "websocket" | "sse";
  url: URL;
  headers: IncomingMessage["headers"];
  send(events: readonly (ChatEvent | object)[]): void;
  raw(text: string): void;
  /** Ends it as the server does; without a code, by cutting the connection. */
  end(reason?: { code: number; name: string }): void;
  closed: Promise<void>;
}

export interface StreamServer {
  baseUrl: string;
  /** The next stream that is opened, in order. */
  stream(): Promise<ServerStream>;
  /** What opened and was not fetched with `stream()`. */
  unclaimed(): number;
  /** How to answer what is no stream, and streams that are to be refused: true when it has answered. */
  onRequest: (request: IncomingMessage & { body: string }, response: ServerResponse) => boolean;
  requests: { method: string; path: string; headers: IncomingMessage["headers"]; body: string }[];
  close(): Promise<void>;
}

/** A small real server of the stream's two transports, that does what the test says. */
export async function startStreamServer(port = 0): Promise<StreamServer> {
  const streams: ServerStream[] = [];
  const waiting: ((stream: ServerStream) => void)[] = [];
  const arrived = (stream: ServerStream) => {
    const next = waiting.shift();
    if (next === undefined) streams.push(stream);
    else next(stream);
  };
  const sockets = new WebSocketServer({ noServer: true });
  const http = createServer((request, response) => {
    void readBody(request).then((body) => {
      record(request, body);
      const full = Object.assign(request, { body });
      if (server.onRequest(full, response)) return;
      if (!pathOf(request).endsWith("/stream") && !pathOf(request).endsWith("/watch")) {
        response.writeHead(404).end();
        return;
      }
      arrived(sseStream(request, response));
    });
  });
  http.on("upgrade", (request, socket, head) => {
    record(request, "");
    const refuse = fakeResponse((status) => {
      socket.end(`HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    });
    if (server.onRequest(Object.assign(request, { body: "" }), refuse)) return;
    sockets.handleUpgrade(request, socket, head, (ws) => arrived(webSocketStream(request, ws)));
  });
  const record = (request: IncomingMessage, body: string) =>
    server.requests.push({
      method: request.method!,
      path: request.url!,
      headers: request.headers,
      body,
    });
  await listen(http, port);
  const server: StreamServer = {
    baseUrl: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    stream: () => {
      const there = streams.shift();
      return there === undefined
        ? new Promise((resolve) => waiting.push(resolve))
        : Promise.resolve(there);
    },
    unclaimed: () => streams.length,
    onRequest: () => false,
    requests: [],
    async close() {
      for (const ws of sockets.clients) ws.terminate();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  return server;
}

export function problem(response: ServerResponse, status: number, code: string, headers = {}) {
  response.writeHead(status, { "content-type": "application/problem+json", ...headers });
  response.end(JSON.stringify({ type: "about:blank", title: code, status, code, detail: code }));
  return true;
}

export function json(response: ServerResponse, body: unknown, status = 200) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
  return true;
}

function webSocketStream(request: IncomingMessage, ws: WebSocket): ServerStream {
  return {
    transport: "websocket",
    url: new URL(request.url!, "http://server"),
    headers: request.headers,
    send: (events) => ws.send(JSON.stringify(events)),
    raw: (text) => ws.send(text),
    end: (reason) => (reason ? ws.close(reason.code, reason.name) : ws.terminate()),
    closed: new Promise((resolve) => ws.on("close", () => resolve())),
  };
}

function sseStream(request: IncomingMessage, response: ServerResponse): ServerStream {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.flushHeaders();
  return {
    transport: "sse",
    url: new URL(request.url!, "http://server"),
    headers: request.headers,
    send(events) {
      for (const event of events as ChatEvent[]) {
        if (event.cursor !== undefined) response.write(`id: ${event.cursor}\n`);
        response.write(`event: ${event.type}\ndata: ${JSON.stringify(event.data)}\n\n`);
      }
    },
    raw: (text) => response.write(text),
    end(reason) {
      if (reason === undefined) response.destroy();
      else response.end(`event: close\ndata: ${JSON.stringify({ code: reason.name })}\n\n`);
    },
    closed: new Promise((resolve) => response.on("close", () => resolve())),
  };
}

/** Only the status of an answer matters to a refused WebSocket. */
function fakeResponse(answer: (status: number) => void): ServerResponse {
  let status = 500;
  const fake = {
    writeHead(code: number) {
      status = code;
      return fake;
    },
    end() {
      answer(status);
      return fake;
    },
  };
  return fake as unknown as ServerResponse;
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request) body += String(chunk);
  return body;
}

function pathOf(request: IncomingMessage): string {
  return new URL(request.url!, "http://server").pathname;
}

async function listen(http: Server, port: number): Promise<void> {
  await new Promise<void>((resolve) => http.listen(port, "127.0.0.1", resolve));
}

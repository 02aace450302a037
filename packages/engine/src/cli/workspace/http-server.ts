import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createMcpHandler, type McpServerFactory } from "@modelcontextprotocol/server";
import { exchange } from "../../tools/mcp/web-exchange.ts";
import { hasToken } from "./token.ts";

/** A file of 4 MiB as JSON may write it. */
const requestBytesMax = 32 * 1024 * 1024;

export interface WorkspaceHttpServer {
  readonly url: string;
  close(): Promise<void>;
}

export interface WorkspaceHttpOptions {
  readonly host: string;
  readonly port: number;
  readonly token: string;
  readonly onError: (error: unknown) => void;
}

/** The workspace over Streamable HTTP at `/mcp`, for who has the token. Requests stand for themselves: nothing is kept between them. */
export async function serveHttp(
  factory: McpServerFactory,
  { host, port, token, onError }: WorkspaceHttpOptions,
): Promise<WorkspaceHttpServer> {
  const handler = createMcpHandler(factory, {
    // Headers at once and a sign of life every 15 s: a command may take longer than a proxy's patience.
    responseMode: "sse",
    maxRequestBodySize: requestBytesMax,
    onerror: onError,
  });
  const server: Server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0];
    if (path === "/healthz") {
      response.end("ok\n");
    } else if (!hasToken(request.headers.authorization, token)) {
      response.writeHead(401, { "www-authenticate": "Bearer", connection: "close" }).end();
    } else if (path === "/mcp") {
      exchange(handler, request, response).catch((error: unknown) => {
        onError(error);
        response.destroy();
      });
    } else {
      response.writeHead(404).end();
    }
  });
  // A command is waited for longer than Node waits for a request by itself; the body has to come soon all the same.
  server.headersTimeout = 30_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const name = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${name}:${address.port}/mcp`,
    async close() {
      await handler.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

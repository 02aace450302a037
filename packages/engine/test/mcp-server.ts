import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { exchange } from "../src/tools/mcp/web-exchange.ts";

/** What the scripted MCP server has seen and is told to do. */
export interface McpScript {
  /** Called with each call's `_meta` and arguments. */
  onCall?: (tool: string, args: unknown, meta: unknown) => void;
  /** A call of `wait` was cancelled. */
  onCancel?: () => void;
  onWaiting?: () => void;
  /** `echo` answers no sooner. */
  held?: Promise<void>;
  /** Names of tools beside the usual ones. */
  extra?: string[];
}

const onePixel =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** A server with a tool for everything that a result may be. */
export function scriptedMcp(script: McpScript = {}): McpServer {
  const server = new McpServer(
    { name: "scripted", version: "1.0.0" },
    { capabilities: { tools: { listChanged: true } } },
  );
  const text = (value: string) => ({ content: [{ type: "text" as const, text: value }] });
  server.registerTool(
    "echo",
    {
      description: "Says it again.",
      inputSchema: z.object({ text: z.string() }),
      annotations: { readOnlyHint: true },
    },
    async ({ text: said }, { mcpReq }) => {
      script.onCall?.("echo", { text: said }, mcpReq._meta);
      await script.held;
      return text(said);
    },
  );
  server.registerTool("pid", {}, () => text(String(process.pid)));
  server.registerTool("env", {}, () => text(JSON.stringify(process.env)));
  server.registerTool("die", {}, () => process.exit(1));
  server.registerTool("fail", {}, () => ({ ...text("the disk is full"), isError: true }));
  server.registerTool("big", {}, () => text("x".repeat(300_000) + "END"));
  server.registerTool("data", {}, () => ({ ...text('{"a":1}'), structuredContent: { a: 1 } }));
  server.registerTool("bad.name", {}, () => text("it has a bad name"));
  server.registerTool("picture", {}, () => ({
    content: [
      { type: "text", text: "look" },
      { type: "image", mimeType: "image/png", data: onePixel },
      { type: "resource_link", uri: "file:///a.txt", name: "a" },
      { type: "resource", resource: { uri: "file:///b.txt", text: "inside b" } },
      {
        type: "resource",
        resource: { uri: "file:///c.bin", mimeType: "application/x", blob: "AAEC" },
      },
    ],
  }));
  server.registerTool("wait", {}, async (ctx) => {
    const token = ctx.mcpReq._meta?.progressToken;
    if (token !== undefined) {
      const params = { progressToken: token, progress: 1, total: 2, message: "half" };
      await ctx.mcpReq.notify({ method: "notifications/progress", params });
    }
    script.onWaiting?.();
    await new Promise<void>((resolve) => {
      ctx.mcpReq.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    script.onCancel?.();
    return text("never heard");
  });
  server.registerTool("grow", { inputSchema: z.object({ name: z.string() }) }, ({ name }) => {
    server.registerTool(name, {}, () => text(`I am ${name}`));
    return text("grown");
  });
  for (const name of script.extra ?? []) server.registerTool(name, {}, () => text(name));
  return server;
}

export interface McpHttpServer {
  readonly url: string;
  /** The headers of each request. */
  readonly seen: { method: string; headers: Record<string, string | string[] | undefined> }[];
  /** Tells subscribers that the list has changed: make `script.extra` longer before. */
  toolsChanged(): void;
  close(): Promise<void>;
}

type RequestHandler = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface McpHttpOptions {
  readonly script?: McpScript;
  readonly token?: string;
  readonly port?: number;
  /** Takes connections, and never answers. */
  readonly silent?: boolean;
  /** Looks at a request first; true where it has answered it. */
  readonly before?: RequestHandler;
}

/** The scripted server over Streamable HTTP on loopback. */
export async function startMcpHttp(options: McpHttpOptions = {}): Promise<McpHttpServer> {
  const handler = createMcpHandler(() => scriptedMcp(options.script), { responseMode: "sse" });
  const seen: McpHttpServer["seen"] = [];
  const server: Server = createServer((request, response) => {
    seen.push({ method: request.method ?? "", headers: request.headers });
    if (options.silent === true) return;
    if (options.before?.(request, response) === true) return;
    if (
      options.token !== undefined &&
      request.headers.authorization !== `Bearer ${options.token}`
    ) {
      response.writeHead(401, { "www-authenticate": "Bearer" }).end();
      return;
    }
    void exchange(handler, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    seen,
    toolsChanged: () => handler.notify.toolsChanged(),
    async close() {
      await handler.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

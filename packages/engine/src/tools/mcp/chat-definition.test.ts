import type { McpServer } from "@parley/protocol";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../../../test/eventually.ts";
import { startMcpHttp, type McpHttpOptions, type McpHttpServer } from "../../../test/mcp-server.ts";
import { systemClock } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import { ManualClock } from "../../lib/manual-clock.ts";
import { seededRandom } from "../../lib/random.ts";
import { chatDefinition } from "./chat-definition.ts";
import type { McpServerDefinition } from "./definition.ts";
import { McpTools, type McpToolsOptions } from "./mcp-tools.ts";
import { Reach } from "./reach.ts";

function tools(more: Partial<McpToolsOptions> = {}): McpTools {
  const mcp = new McpTools({
    servers: [],
    version: "0",
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    reach: new Reach(["127.0.0.1"]),
    ...more,
  });
  onTestFinished(async () => await mcp.stop());
  return mcp;
}

async function remote(options: McpHttpOptions = {}): Promise<McpHttpServer> {
  const server = await startMcpHttp(options);
  onTestFinished(async () => await server.close());
  return server;
}

const names = (mcp: McpTools, definition: McpServerDefinition): string[] =>
  mcp
    .of([definition])
    .list()
    .map(({ name }) => name);

test("what a chat leaves out has its default, and what it gives is taken", () => {
  const url = "https://a.example.com/mcp";
  expect(chatDefinition({ name: "a", url })).toEqual({
    name: "a",
    endpoint: { type: "http", url, headers: {}, auth: null, guarded: true },
    allow: null,
    deny: [],
    approval: "never",
    delivery: "annotated",
    timeoutMs: 60_000,
    outputBytesMax: 65_536,
  });
  expect(
    chatDefinition({
      name: "a",
      url,
      token: "t",
      deny: ["x"],
      timeout_seconds: 5,
      approval: "always",
    }),
  ).toMatchObject({
    endpoint: { auth: { type: "bearer", token: "t" } },
    deny: ["x"],
    timeoutMs: 5_000,
    approval: "always",
  });
});

describe("an address that is not public", () => {
  test("is refused, also where the deployment itself is connected to it", async () => {
    const server = await remote();
    const own: McpServerDefinition = {
      ...chatDefinition({ name: "ours", url: server.url }),
      endpoint: { type: "http", url: server.url, headers: {}, auth: null },
    };
    const mcp = tools({ servers: [own], reach: new Reach() });
    await mcp.start();
    expect(names(mcp, own)).toContain("ours__echo");
    const asked = server.seen.length;
    const theirs = chatDefinition({ name: "mine", url: server.url });
    await mcp.ready([theirs]);
    expect(names(mcp, theirs)).toEqual([]);
    expect(mcp.health([theirs]).slice(1)).toEqual([
      {
        server: "mine",
        state: "down",
        problem: "its address is not one that servers of chats may have here",
      },
    ]);
    const call = mcp
      .of([theirs])
      .get("mine__echo")
      ?.execute(
        { text: "x" },
        {
          signal: new AbortController().signal,
          idempotencyKey: "k",
          progress: () => {},
          chatId: "c",
          idle: async (wait) => await wait(),
        },
      );
    await expect(call).rejects.toThrow(/The call was not made/);
    expect(server.seen).toHaveLength(asked);
  });

  test("is refused where a public one redirects to it", async () => {
    const inner = await remote();
    const outer = await remote({
      before: (_request, response) => {
        response.writeHead(307, { location: inner.url.replace("127.0.0.1", "127.0.0.2") }).end();
        return true;
      },
    });
    const mcp = tools();
    const definition = chatDefinition({ name: "s", url: outer.url });
    await mcp.ready([definition]);
    expect(mcp.health([definition])).toMatchObject([{ server: "s", state: "down" }]);
    expect(inner.seen).toEqual([]);
  });
});

/** An MCP server that names its own authorization server, which gives tokens for a client and its secret. */
async function guardedByOAuth(
  issuerShown?: string,
): Promise<{ server: McpHttpServer; grants: string[] }> {
  const grants: string[] = [];
  let origin = "";
  const server = await remote({
    token: "issued",
    before: (request, response) => {
      const path = request.url ?? "";
      const json = (value: unknown): boolean => {
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
        return true;
      };
      const issuer = issuerShown ?? origin;
      if (path.startsWith("/.well-known/oauth-protected-resource")) {
        return json({ resource: `${origin}/mcp`, authorization_servers: [issuer] });
      }
      if (path.startsWith("/.well-known/")) {
        return json({
          issuer,
          authorization_endpoint: `${origin}/authorize`,
          token_endpoint: `${origin}/token`,
          response_types_supported: ["code"],
          grant_types_supported: ["client_credentials"],
          token_endpoint_auth_methods_supported: ["client_secret_basic"],
        });
      }
      if (path !== "/token") return false;
      grants.push(request.headers.authorization ?? "none");
      return json({ access_token: "issued", token_type: "Bearer", expires_in: 3600 });
    },
  });
  origin = new URL(server.url).origin;
  return { server, grants };
}

describe("OAuth client credentials", () => {
  const withOAuth = (url: string, issuer: string): McpServer => ({
    name: "s",
    url,
    oauth: { issuer, client_id: "parley", client_secret: "s3cret-of-client" },
  });

  test("fetch a token from the issuer that the chat named", async () => {
    const { server, grants } = await guardedByOAuth();
    const mcp = tools();
    const definition = chatDefinition(withOAuth(server.url, new URL(server.url).origin));
    await mcp.ready([definition]);
    expect(mcp.health([definition])).toEqual([{ server: "s", state: "up" }]);
    expect(names(mcp, definition)).toContain("s__echo");
    expect(new Set(grants)).toEqual(
      new Set([`Basic ${Buffer.from("parley:s3cret-of-client").toString("base64")}`]),
    );
  });

  test("are shown to no other issuer that the server may name", async () => {
    const { server, grants } = await guardedByOAuth();
    const mcp = tools();
    const definition = chatDefinition(withOAuth(server.url, "https://login.example.com"));
    await mcp.ready([definition]);
    expect(mcp.health([definition])).toMatchObject([{ server: "s", state: "down" }]);
    expect(grants).toEqual([]);
  });
});

test("what a server repeats of its credentials is in no problem that people read", async () => {
  const server = await remote({
    before: (request, response) => {
      let asked = "";
      request.setEncoding("utf8").on("data", (text: string) => (asked += text));
      request.on("end", () => {
        const { id } = JSON.parse(asked || "{}") as { id?: number };
        const message = `no: ${request.headers.authorization} ${request.url}`;
        const body = { jsonrpc: "2.0", id, error: { code: -32_000, message } };
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
      });
      return true;
    },
  });
  const mcp = tools();
  const definition = chatDefinition({
    name: "s",
    url: `${server.url}?key=query-hidden`,
    token: "token-hidden",
  });
  await mcp.ready([definition]);
  expect(mcp.health([definition])).toEqual([
    { server: "s", state: "down", problem: expect.stringMatching(/^no: Bearer … /) },
  ]);
  expect(JSON.stringify(mcp.health([definition]))).not.toMatch(/hidden/);
});

test("an idle connection of a chat closes, and is made again when it is wanted", async () => {
  const server = await remote();
  const clock = new ManualClock();
  const mcp = tools({ clock });
  const definition = chatDefinition({ name: "s", url: server.url });
  await mcp.ready([definition]);
  const handshake = server.seen.length;
  await clock.advance(6 * 60_000);
  expect(names(mcp, definition)).toContain("s__echo");
  await eventually("it is connected again", () => server.seen.length >= 2 * handshake - 1);
  expect(mcp.health([definition])).toEqual([{ server: "s", state: "up" }]);
});

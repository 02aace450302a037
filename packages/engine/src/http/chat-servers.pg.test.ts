import { createClient } from "@parley/client";
import type { Chat, McpServer } from "@parley/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startHttpServer, type TestAnswer, type TestHttpServer } from "../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { follow } from "../../test/follow.ts";
import { seededRandom } from "../lib/random.ts";
import { Sealer } from "../lib/seal.ts";
import { ChatServers } from "../machine/chat-servers.ts";
import { Reach } from "../tools/mcp/reach.ts";

/** MCP servers in the API: given once, and never shown whole again. */

let db: TestDatabase;
let http: TestHttpServer;
const servers = new ChatServers(new Sealer("key of the test", seededRandom(1)));
beforeAll(async () => {
  db = await createTestDatabase();
  http = await startHttpServer(db.database, {
    chatServers: { servers, taken: new Set(["workspace"]), reach: new Reach(["mcp.internal"]) },
    limits: { mcpServersMax: 4 },
  });
});
afterAll(async () => {
  await http?.close();
  await db?.drop();
});

const api = "/api/v1";
const whole: McpServer = {
  name: "tickets",
  url: "https://mcp.example.com/mcp?key=query-secret",
  headers: { "X-Api-Key": "header-secret" },
  token: "token-secret",
  allow: ["list_*"],
  approval: "unless_read_only",
};
const oauth: McpServer = {
  name: "far",
  url: "https://far.example.com/mcp",
  oauth: {
    issuer: "https://login.example.com",
    client_id: "client-id-secret",
    client_secret: "client-secret",
  },
};
const shown = {
  name: "tickets",
  url: "https://mcp.example.com/mcp",
  headers: ["x-api-key"],
  auth: "bearer",
  allow: ["list_*"],
  deny: [],
  approval: "unless_read_only",
  delivery: "annotated",
  timeout_seconds: 60,
  output_bytes: 65_536,
};

async function post(mcp_servers: unknown): Promise<TestAnswer> {
  return await http.call("POST", `${api}/chats`, { body: { content: "hello", mcp_servers } });
}

async function made(mcp_servers: unknown): Promise<Chat> {
  const answer = await post(mcp_servers);
  expect(answer.status).toBe(201);
  return answer.body.chat;
}

const patch = async (id: string, mcp_servers: unknown): Promise<TestAnswer> =>
  await http.call("PATCH", `${api}/chats/${id}`, { body: { mcp_servers } });

const read = async (chatId: string): Promise<readonly McpServer[] | null> =>
  await db.database.read(async (tx) => (await servers.read(tx, chatId)).servers, {
    operation: "test",
  });

describe("secrets", () => {
  test("are in no answer, no event and no row, and are there for the worker", async () => {
    const chat = await made([whole, oauth]);
    expect(chat.mcp_servers).toEqual([
      shown,
      expect.objectContaining({ name: "far", auth: "client_credentials", headers: [] }),
    ]);
    const answers = [
      JSON.stringify(chat),
      (await http.call("GET", `${api}/chats/${chat.id}`)).text,
      (await http.call("GET", `${api}/chats`)).text,
      (await http.call("PATCH", `${api}/chats/${chat.id}`, { body: { title: "new" } })).text,
      (await http.call("POST", `${api}/chats/${chat.id}/fork`, { body: {} })).text,
      JSON.stringify(http.commits),
    ];
    const client = createClient({ baseUrl: http.url, token: http.caller.token });
    const { events } = await follow(client, chat.id, { until: ({ ready }) => ready });
    answers.push(JSON.stringify(events));
    const rows = await db.database.one<{ row: string }>(
      {
        name: "test.everything",
        text: `select c::text || encode(s.sealed, 'escape') as row from parley.chats c
               join parley.chat_mcp_servers s on s.chat_id = c.id`,
      },
      { operation: "test" },
    );
    expect(rows.length).toBeGreaterThanOrEqual(2);
    for (const text of [...answers, ...rows.map(({ row }) => row)]) {
      expect(text).toContain("tickets");
      expect(text).not.toMatch(/secret/);
    }
    expect(await read(chat.id)).toEqual([whole, oauth]);
  });

  test("rest sealed for their chat alone: a row that is copied to another chat is no good there", async () => {
    const [a, b] = [await made([whole]), await made([oauth])];
    await db.database.write(
      async (tx) =>
        await tx.exec(`update parley.chat_mcp_servers set sealed = (
          select sealed from parley.chat_mcp_servers where chat_id = '${a.id}') where chat_id = '${b.id}'`),
      { operation: "test" },
    );
    expect(await read(a.id)).toEqual([whole]);
    expect(await read(b.id)).toBeNull();
  });

  test("go with the chat", async () => {
    const { id } = await made([whole]);
    expect((await http.call("DELETE", `${api}/chats/${id}`)).status).toBe(204);
    expect(await read(id)).toEqual([]);
  });

  test("go along to a fork", async () => {
    const { id } = await made([whole]);
    const fork = (await http.call("POST", `${api}/chats/${id}/fork`, { body: {} })).body.chat;
    expect(fork.mcp_servers).toEqual([shown]);
    expect(await read(fork.id)).toEqual([whole]);
  });
});

describe("a change of the list", () => {
  test("moves the metadata, and keeps secrets of a server that stays where it is", async () => {
    const { id, metadata_version, snapshot_version } = await made([whole]);
    const changed = await patch(id, [{ name: "tickets", url: shown.url, deny: ["drop"] }, oauth]);
    expect(changed.status).toBe(200);
    expect(changed.body.chat).toMatchObject({
      metadata_version: metadata_version + 1,
      snapshot_version,
      mcp_servers: [{ headers: ["x-api-key"], auth: "bearer", allow: null, deny: ["drop"] }, {}],
    });
    const { url, headers, token } = whole;
    expect(await read(id)).toEqual([
      { name: "tickets", url, headers, token, deny: ["drop"] },
      oauth,
    ]);
  });

  test.each([
    ["at another address", [{ name: "tickets", url: "https://evil.example.com/mcp" }]],
    ["under another name", [{ name: "other", url: shown.url }]],
    ["that is given others", [{ name: "tickets", url: shown.url, headers: {} }]],
    ["that is given an empty list", []],
  ])("drops those of a server %s", async (_how, list) => {
    const { id } = await made([whole]);
    expect((await patch(id, list)).status).toBe(200);
    expect(await read(id)).toEqual(list);
  });

  test("of secrets alone is a change", async () => {
    const { id, metadata_version } = await made([whole]);
    const { body } = await patch(id, [{ ...whole, token: "token-secret-2" }]);
    expect(body.chat.metadata_version).toBe(metadata_version + 1);
    expect(body.chat.mcp_servers).toEqual([shown]);
  });

  test("ends what is told of servers that it takes away, and of no others", async () => {
    const elsewhere = { ...oauth, name: "moved" };
    const { id } = await made([whole, oauth, elsewhere]);
    const notice = (server: string): object => ({
      kind: "tool_server_down",
      server,
      problem: "nothing listens there",
      since: "2026-01-01T00:00:00.000Z",
    });
    const notices = ["workspace", "tickets", "far", "moved"].map(notice);
    await db.database.write(
      async (tx) =>
        await tx.exec(
          `update parley.chats set notices = '${JSON.stringify(notices)}' where id = '${id}'`,
        ),
      { operation: "test" },
    );
    const moved = { ...elsewhere, url: "https://other.example.com/mcp" };
    const { body } = await patch(id, [oauth, moved]);
    expect(body.chat.notices).toEqual([notice("workspace"), notice("far")]);
  });

  test("is the owner's alone", async () => {
    const { id } = await made([whole]);
    const as = await http.newCaller();
    const body = { mcp_servers: [] };
    expect((await http.call("PATCH", `${api}/chats/${id}`, { body, as })).status).toBe(404);
    expect(await read(id)).toEqual([whole]);
  });

  test("that leaves other fields alone leaves the servers alone", async () => {
    const { id } = await made([whole]);
    await http.call("PATCH", `${api}/chats/${id}`, { body: { title: "t" } });
    expect(await read(id)).toEqual([whole]);
  });
});

describe("what is refused", () => {
  const server = (over: object): object => ({
    name: "s",
    url: "https://a.example.com/mcp",
    ...over,
  });
  const names = ["a", "b", "c", "d", "e"].map((name) => server({ name }));

  test.each([
    ["a process", [{ name: "s", command: "sh", args: ["-c", "secret"] }]],
    ["a variable of the server's environment", [server({ token_env: "HOME" })]],
    ["a file of the server's", [server({ token_file: "/etc/passwd" })]],
    ["another scheme", [server({ url: "ftp://a.example.com/secret" })]],
    ["a user in the address", [server({ url: "https://u:secret@a.example.com/" })]],
    ["the name of one of the deployment's", [server({ name: "workspace" })]],
    ["a name with a separator", [server({ name: "a__b" })]],
    ["a name twice", [server({}), server({})]],
    ["too many", names],
    ["token and oauth at once", [{ ...oauth, token: "secret" }]],
    ["a header that frames the request", [server({ headers: { Host: "secret" } })]],
    ["a header of the protocol", [server({ headers: { "Mcp-Session-Id": "secret" } })]],
    ["a header with a line break", [server({ headers: { "x-a": "secret\r\nHost: b" } })]],
    ["loopback", [server({ url: "http://127.0.0.1:7420/secret" })]],
    ["localhost", [server({ url: "http://localhost/secret" })]],
    ["the metadata of a cloud", [server({ url: "http://169.254.169.254/secret" })]],
    ["a private network", [server({ url: "http://[fd00::1]/secret" })]],
    [
      "an issuer on a private network",
      [server({ oauth: { ...oauth.oauth, issuer: "https://10.0.0.1/secret" } })],
    ],
  ])("%s, in words that hold no secret", async (_what, list) => {
    const answer = await post(list);
    expect(answer.status).toBe(400);
    expect(answer.body.code).toBe("invalid_request");
    expect(answer.text).not.toMatch(/secret/);
  });

  test("what is opened is not refused", async () => {
    await made([server({ url: "http://mcp.internal/mcp" })]);
  });

  test("where chats may bring none, each of them", async () => {
    const none = await startHttpServer(db.database);
    const body = { content: "hello", mcp_servers: [server({})] };
    const answer = await none.call("POST", `${api}/chats`, { body });
    expect(answer.body).toMatchObject({ code: "invalid_request", details: { mcp_servers_max: 0 } });
    const empty = { content: "hello", mcp_servers: [] };
    expect((await none.call("POST", `${api}/chats`, { body: empty })).status).toBe(201);
    await none.close();
  });
});

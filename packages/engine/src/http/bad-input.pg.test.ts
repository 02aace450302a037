import { request } from "node:http";
import { connect } from "node:net";
import { errorStatuses } from "@parley/protocol";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { chatIn } from "../../test/chat-in-state.ts";
import { createDatabaseProxy } from "../../test/database-proxy.ts";
import { startHttpServer, type TestAnswer, type TestHttpServer } from "../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { createDatabase } from "../postgres/database.ts";

/** Whatever comes in, the answer is a problem document with a stable code, and nothing has changed. */

let db: TestDatabase;
let http: TestHttpServer;
let chatId: string;
beforeAll(async () => {
  db = await createTestDatabase();
  http = await startHttpServer(db.database);
  chatId = (await chatIn(http.world, "R1")).id;
});
afterAll(async () => {
  await http?.close();
  await db?.drop();
});

const api = "/api/v1";

function expectProblem(answer: TestAnswer, code: keyof typeof errorStatuses): void {
  expect(answer.body?.code, answer.text).toBe(code);
  expect(answer.status).toBe(errorStatuses[code]);
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  expect(answer.body).toMatchObject({
    type: `urn:parley:error:${code}`,
    status: answer.status,
    detail: expect.any(String),
    title: expect.any(String),
    request_id: answer.headers.get("x-request-id"),
  });
}

describe("bodies", () => {
  const post = (raw: string | Uint8Array, headers: Record<string, string> = {}) =>
    http.call("POST", `${api}/chats`, { raw, headers });

  test.each([
    ["an open brace", "{"],
    ["nothing", ""],
    ["a trailing comma", `{"content": "x",}`],
    ["NaN", `{"content": NaN}`],
    ["two documents", `{"content": "x"}{}`],
    ["a byte order mark in the middle", `{"content": \ufeff"x"}`],
  ])("malformed JSON: %s", async (_what, raw) => {
    const answer = await post(raw);
    expectProblem(answer, raw === "" ? "invalid_request" : "malformed_json");
  });

  test("bytes that are no UTF-8", async () => {
    const bytes = Buffer.concat([Buffer.from(`{"content": "`), Buffer.from([0xc3, 0x28])]);
    expectProblem(await post(Buffer.concat([bytes, Buffer.from(`"}`)])), "malformed_json");
  });

  test.each([
    ["no object", []],
    ["null", null],
    ["a missing field", {}],
    ["an unknown field", { content: "x", colour: "red" }],
    ["a wrong type", { content: 5 }],
    ["an empty text", { content: "" }],
    ["no parts", { content: [] }],
    ["an empty part", { content: [{ type: "text", text: "" }] }],
    ["a part of a kind that users do not send", { content: [{ type: "reasoning", text: "x" }] }],
    [
      "an unknown field in a part",
      { content: [{ type: "text", text: "x", provider_metadata: {} }] },
    ],
    [
      "a file that is no base64",
      { content: [{ type: "file", media_type: "image/png", data: "!!!" }] },
    ],
    ["a file without content", { content: [{ type: "file", media_type: "image/png" }] }],
    [
      "a file with two contents",
      { content: [{ type: "file", media_type: "image/png", data: "aGk=", url: "http://x/" }] },
    ],
    ["a label that is no text", { content: "x", labels: { a: 1 } }],
    ["a long title", { content: "x", title: "t".repeat(201) }],
    ["a blank title", { content: "x", title: "   " }],
    ["a bad tool name", { content: "x", client_tools: [{ name: "no spaces", input_schema: {} }] }],
    [
      "a tool twice",
      {
        content: "x",
        client_tools: [
          { name: "a", input_schema: {} },
          { name: "a", input_schema: {} },
        ],
      },
    ],
    ["an empty client id", { content: "x", client_id: "" }],
    ["a long client id", { content: "x", client_id: "c".repeat(201) }],
    ["a large system prompt", { content: "x", system_prompt: "s".repeat(64 * 1024 + 1) }],
  ])("an invalid body: %s", async (_what, body) => {
    const answer = await http.call("POST", `${api}/chats`, { body });
    expectProblem(answer, "invalid_request");
    expect(answer.body.details.issues.length).toBeGreaterThan(0);
  });

  test("issues name their place", async () => {
    const answer = await http.call("POST", `${api}/chats`, {
      body: { content: "x", labels: { a: 1 } },
    });
    expect(answer.body.details.issues).toEqual([
      { in: "body", path: ["labels", "a"], message: expect.any(String) },
    ]);
    expect(answer.body.detail).toContain("body.labels.a");
  });

  test.each([
    ["U+0000", `{"content": "a\\u0000b"}`],
    ["U+0000 in a key", `{"content": "x", "labels": {"\\u0000": "1"}}`],
    ["half a surrogate pair", `{"content": "a\\ud83d"}`],
    ["__proto__", `{"content": "x", "labels": {"__proto__": "x"}}`],
    ["endless nesting", `{"content": ${"[".repeat(20_000)}${"]".repeat(20_000)}}`],
  ])("what cannot be stored is refused: %s", async (_what, raw) => {
    expectProblem(await post(raw), "invalid_request");
  });

  test("deep nesting where any JSON is taken", async () => {
    const output = `${`{"a":`.repeat(5_000)}1${"}".repeat(5_000)}`;
    const answer = await http.call("POST", `${api}/chats/${chatId}/tool-results`, {
      raw: `{"results":[{"tool_call_id":"x","output":${output}}]}`,
    });
    expectProblem(answer, "invalid_request");
  });

  test("a message that is too large, in bytes and not in characters", async () => {
    const content = "ü".repeat(128 * 1024);
    const fits = await http.call("POST", `${api}/chats`, { body: { content } });
    expect(fits.status).toBe(201);
    for (const path of ["/chats", `/chats/${chatId}/messages`]) {
      const answer = await http.call("POST", api + path, { body: { content: `${content}x` } });
      expectProblem(answer, "payload_too_large");
      expect(answer.body.details).toEqual({ bytes_max: 256 * 1024 });
    }
    const file = { type: "file", media_type: "image/png", data: "A".repeat(256 * 1024 + 4) };
    expectProblem(
      await http.call("POST", `${api}/chats`, { body: { content: [file] } }),
      "payload_too_large",
    );
  });

  test("a message that fills its limit with escapes still fits", async () => {
    const raw = `{"content":"${"\\u0001".repeat(256 * 1024)}"}`;
    expect((await post(raw)).status).toBe(201);
  });

  test("a request that is too large", async () => {
    expectProblem(await post(`{"content":"${"x".repeat(5_000_000)}"}`), "payload_too_large");
  });

  test("other media types", async () => {
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/xml",
      "x",
    ]) {
      expectProblem(await post("content=x", { "content-type": type }), "unsupported_media_type");
    }
    const plain = await post(`{"content":"x"}`, {
      "content-type": "application/json; charset=utf-8",
    });
    expect(plain.status).toBe(201);
  });

  test("a model of no provider", async () => {
    for (const [method, path, body] of [
      ["POST", "/chats", { content: "x", model: "nobody/model" }],
      ["POST", `/chats/${chatId}/messages`, { content: "x", model: "nobody/model" }],
      ["PATCH", `/chats/${chatId}/messages/1`, { content: "x", model: "nobody/model" }],
      ["PATCH", `/chats/${chatId}`, { model: "nobody/model" }],
    ] as const) {
      expectProblem(await http.call(method, api + path, { body }), "unknown_model");
    }
  });

  test.each([
    ["PATCH", "", {}],
    ["PATCH", "", { status: "waiting" }],
    ["PATCH", "", { archived: "yes" }],
    ["POST", "/messages", { content: "x", when_busy: "whenever" }],
    ["PATCH", "/messages/1", { keep_queue: true }],
    ["PATCH", "/queue/1", {}],
    ["PATCH", "/queue/1", { when_busy: "interrupt" }],
    ["PATCH", "/queue/1", { position: -1 }],
    ["PATCH", "/queue/1", { position: 1.5 }],
    ["POST", "/interrupt", { turn: "1" }],
    ["POST", "/interrupt", { turn: 0 }],
    ["POST", "/interrupt", { wait: true }],
    ["POST", "/fork", { message_id: "1" }],
    ["POST", "/title", {}],
    ["POST", "/retry", { again: true }],
    ["POST", "/compact", { x: 1 }],
    ["POST", "/clear", { x: 1 }],
    ["POST", "/stream-tickets", { x: 1 }],
    ["POST", "/queue/1/promote", { x: 1 }],
    ["POST", "/tool-results", { results: [] }],
    ["POST", "/tool-results", { results: [{ tool_call_id: "a" }] }],
    [
      "POST",
      "/tool-results",
      {
        results: [
          { tool_call_id: "a", output: 1 },
          { tool_call_id: "a", output: 1 },
        ],
      },
    ],
    ["POST", "/approvals", { decisions: [{ tool_call_id: "a", decision: "maybe" }] }],
  ])("%s %s refuses %j", async (method, path, body) => {
    const answer = await http.call(method, `${api}/chats/${chatId}${path}`, { body });
    expectProblem(answer, "invalid_request");
  });
});

describe("addresses", () => {
  test.each([
    "/chats?colour=red",
    "/chats?limit=0",
    "/chats?limit=101",
    "/chats?limit=ten",
    "/chats?limit=1.5",
    "/chats?limit=",
    "/chats?limit=5&limit=6",
    "/chats?archived=maybe",
    "/chats?status=busy",
    "/chats?pinned=no",
    "/chats?search=",
    "/chats?search=%00",
    "/chats?label=%00",
    "/tokens?x=1",
    "/models?x=1",
  ])("a query that is not ours: %s", async (path) => {
    expectProblem(await http.call("GET", api + path), "invalid_request");
  });

  test.each(["?before=x", "?after=-1", "?limit=201", "?before=0", "?wait=1", "?limit=1e2"])(
    "a page that is none: %s",
    async (query) => {
      const answer = await http.call("GET", `${api}/chats/${chatId}/messages${query}`);
      expectProblem(answer, "invalid_request");
    },
  );

  test("a wait that is no flag, and queries on calls that take none", async () => {
    const path = `${api}/chats/${chatId}`;
    expectProblem(await http.call("POST", `${path}/interrupt?wait=maybe`), "invalid_request");
    expectProblem(await http.call("GET", `${path}?x=1`), "invalid_request");
    expectProblem(await http.call("POST", `${path}/retry?x=1`), "invalid_request");
    expectProblem(await http.call("DELETE", `${path}?force=true`), "invalid_request");
  });

  test.each([
    "x",
    "W10",
    Buffer.from("[]").toString("base64url"),
    Buffer.from(`["1","x"]`).toString("base64url"),
    Buffer.from(`[1.5,"00000000-0000-7000-8000-000000000000"]`).toString("base64url"),
    Buffer.from(`[1e300,"00000000-0000-7000-8000-000000000000"]`).toString("base64url"),
    Buffer.from(`[-1,"00000000-0000-7000-8000-000000000000"]`).toString("base64url"),
    "%F0%9F%98%80",
  ])("a list cursor that is garbage: %s", async (cursor) => {
    expectProblem(await http.call("GET", `${api}/chats?cursor=${cursor}`), "invalid_cursor");
  });

  test("what is no id is answered like an id that is unknown", async () => {
    const unknown = "01a1fd65-95cc-7564-8c0a-000000000000";
    for (const id of [unknown, "x", "1", "%00", "..%2f", "a".repeat(199), `${unknown}0`]) {
      for (const rest of ["", "/messages"]) {
        expectProblem(await http.call("GET", `${api}/chats/${id}${rest}`), "chat_not_found");
      }
      const body = { content: "x" };
      const sent = await http.call("POST", `${api}/chats/${id}/messages`, { body });
      expectProblem(sent, "chat_not_found");
      const deleted = await http.call("DELETE", `${api}/chats/${id}`);
      expectProblem(deleted, "chat_not_found");
      const keyed = await http.call("DELETE", `${api}/chats/${id}`, {
        headers: { "idempotency-key": "k" },
      });
      expectProblem(keyed, "chat_not_found");
    }
    for (const id of ["0", "x", "1.0", "-1", "9".repeat(30), "1e3"]) {
      const path = `${api}/chats/${chatId}/messages/${id}`;
      expectProblem(
        await http.call("PATCH", path, { body: { content: "x" } }),
        "message_not_found",
      );
    }
    expectProblem(await http.call("DELETE", `${api}/tokens/x`), "not_found");
    expectProblem(await http.call("DELETE", `${api}/tokens/${unknown}`), "not_found");
  });

  test("no such route, and no such method there", async () => {
    expectProblem(await http.call("GET", "/nowhere"), "not_found");
    expectProblem(await http.call("GET", `${api}/chats/${chatId}/nowhere`), "not_found");
    expectProblem(await http.call("GET", `${api}/%zz`), "not_found");
    expectProblem(await http.call("GET", `${api}/chats/${"a".repeat(500)}`), "not_found");
    const put = await http.call("PUT", `${api}/chats/${chatId}`, { body: {} });
    expectProblem(put, "method_not_allowed");
    expect(put.headers.get("allow")).toBe("DELETE, GET, HEAD, PATCH");
    const get = await http.call("GET", `${api}/chats/${chatId}/interrupt`);
    expectProblem(get, "method_not_allowed");
    expect(get.headers.get("allow")).toBe("POST");
    expectProblem(await http.call("OPTIONS", `${api}/chats`), "method_not_allowed");
  });

  test("idempotency keys have a length", async () => {
    for (const key of ["", "k".repeat(201)]) {
      const answer = await http.call("POST", `${api}/chats/${chatId}/title`, {
        body: { title: "x" },
        headers: { "idempotency-key": key },
      });
      expectProblem(answer, "invalid_request");
    }
  });
});

describe("below HTTP", () => {
  test("bytes that are no HTTP are answered and cut off", async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(http.port, "127.0.0.1", () => socket.write("NONSENSE\r\n\r\n"));
      let text = "";
      socket.on("data", (chunk) => (text += chunk.toString()));
      socket.on("close", () => resolve(text));
      socket.on("error", reject);
    });
    expect(answer).toContain("HTTP/1.1 400");
    expect(answer).toContain("application/problem+json");
    expect(answer).toContain(`"code":"invalid_request"`);
  });

  test.each([
    ["headers", "/healthz", { "x-large": "x".repeat(40_000) }],
    ["cookies", "/", { cookie: "a=b; ".repeat(8_000) }],
    ["a request line", `/${"x".repeat(40_000)}`, {}],
  ])("%s beyond reason", async (_what, path, headers) => {
    const answer = await new Promise<{ status: number | undefined; body: string }>(
      (resolve, reject) => {
        request(`${http.url}${path}`, { headers, agent: false }, (response) => {
          let body = "";
          response.on("data", (chunk: Buffer) => (body += chunk.toString()));
          response.on("end", () => resolve({ status: response.statusCode, body }));
        })
          .on("error", reject)
          .end();
      },
    );
    expect(answer.status).toBe(431);
    expect(JSON.parse(answer.body)).toMatchObject({
      status: 431,
      code: "headers_too_large",
      details: { bytes_max: 16_384 },
    });
  });

  test("an offer to speak HTTP/2 is no upgrade of ours", async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c" };
      request(`${http.url}/healthz`, { headers, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on("error", reject)
        .end();
    });
    expect(status).toBe(200);
  });
});

describe("a bad day", () => {
  test("a database that goes away answers 503, and everything works when it is back", async () => {
    const proxy = await createDatabaseProxy(db.settings);
    const database = createDatabase(proxy.settings);
    const server = await startHttpServer(database);
    try {
      const { body } = await server.call("POST", `${api}/chats`, { body: { content: "x" } });
      const path = `${api}/chats/${body.chat.id}`;
      proxy.goAway();
      for (const [method, rest, options] of [
        ["GET", "", {}],
        ["GET", "/messages", {}],
        ["POST", "/messages", { body: { content: "y", client_id: "m" } }],
      ] as const) {
        const answer = await server.call(method, path + rest, options);
        expectProblem(answer, "database_unavailable");
        expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
      }
      const ready = await server.call("GET", "/readyz", { as: null });
      expect(ready.status).toBe(503);
      expect(ready.body.checks.database).toBe("unavailable");
      expect((await server.call("GET", "/healthz", { as: null })).status).toBe(200);

      proxy.restore();
      const sent = await server.call("POST", `${path}/messages`, {
        body: { content: "y", client_id: "m" },
      });
      expect(sent.status).toBe(200);
      expect((await server.call("GET", "/readyz", { as: null })).status).toBe(200);
    } finally {
      await server.close();
      await database.close();
      await proxy.close();
    }
  });

  test("a schema that cannot be checked now is no bad request: another server is asked", async () => {
    const server = await startHttpServer(db.database);
    try {
      const format = { type: "json_schema", schema: { type: "object" } };
      const body = { content: "x", response_format: format };
      expect((await server.call("POST", `${api}/chats`, { body })).status).toBe(201);
      await server.schemas.stop();
      const answer = await server.call("POST", `${api}/chats`, { body });
      expectProblem(answer, "unavailable");
      expect(answer.headers.get("retry-after")).toBe("1");
    } finally {
      await server.close();
    }
  });

  test("a commit whose answer is lost takes effect once, however often it is sent", async () => {
    const proxy = await createDatabaseProxy(db.settings);
    const database = createDatabase(proxy.settings);
    const server = await startHttpServer(database);
    try {
      const body = { content: "x", client_id: "lost" };
      // The first use of a token is noted in a transaction of its own: that one is not meant.
      await vi.waitFor(async () => {
        const { tokens } = (await server.call("GET", `${api}/tokens`)).body;
        expect(tokens[0].last_used_at).not.toBe(null);
      });
      proxy.loseNextCommitAnswer();
      const lost = await server.call("POST", `${api}/chats`, { body });
      expectProblem(lost, "database_unavailable");
      expect(lost.body.detail).toContain("client_id");
      const again = await server.call("POST", `${api}/chats`, { body });
      expect(again.status).toBe(201);
      const { chats } = (await server.call("GET", `${api}/chats`)).body;
      expect(chats).toHaveLength(1);
    } finally {
      await server.close();
      await database.close();
      await proxy.close();
    }
  });

  test("what is our fault says nothing of our inside", async () => {
    await http.world.sql(`alter table parley.chat_queue rename to chat_queue_away`);
    try {
      const answer = await http.call("GET", `${api}/chats/${chatId}/messages`);
      expectProblem(answer, "internal");
      expect(answer.text).not.toContain("chat_queue");
    } finally {
      await http.world.sql(`alter table parley.chat_queue_away rename to chat_queue`);
    }
  });
});

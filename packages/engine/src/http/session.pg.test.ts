import { afterAll, beforeAll, expect, test } from "vitest";
import { startHttpServer, type TestHttpServer } from "../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { credentialOf } from "./auth/credentials.ts";

let db: TestDatabase;
let http: TestHttpServer;
beforeAll(async () => {
  db = await createTestDatabase();
  http = await startHttpServer(db.database);
});
afterAll(async () => {
  await http?.close();
  await db?.drop();
});

const path = "/api/v1/session";
const signIn = (token: string, headers: Record<string, string> = { origin: http.url }) =>
  http.call("POST", path, { as: null, body: { token }, headers });

test("says who asks, and which server answers", async () => {
  const admin = await http.newCaller({ isAdmin: true });
  const { body } = await http.call("GET", path, { as: admin });
  expect(body).toEqual({
    principal: { id: admin.principalId, name: "somebody", is_admin: true },
    server: { version: "1.2.3" },
  });
  expect((await http.call("GET", path, { as: null })).status).toBe(401);
});

test("a page signs in with a token and out again", async () => {
  const made = await signIn(http.caller.token);
  expect(made.status).toBe(201);
  expect(made.body.principal.id).toBe(http.caller.principalId);
  const set = made.headers.get("set-cookie") ?? "";
  expect(set).toMatch(/HttpOnly; SameSite=Strict/);
  expect(made.text).not.toContain(http.caller.token);
  const cookie = set.split(";")[0] ?? "";
  expect((await http.call("GET", path, { as: null, headers: { cookie } })).status).toBe(200);

  const ended = await http.call("DELETE", path, {
    as: null,
    headers: { cookie, origin: http.url },
  });
  expect(ended.status).toBe(204);
  expect(ended.headers.get("set-cookie")).toMatch(
    new RegExp(`^parley_${http.port}=; Max-Age=0; Path=/; HttpOnly`),
  );
});

test("a bad token is refused and gets no cookie", async () => {
  for (const token of ["x", `parley_${"a".repeat(43)}`]) {
    const answer = await signIn(token);
    expect([answer.status, answer.body.code]).toEqual([401, "unauthorized"]);
    expect(answer.headers.get("set-cookie")).toBe(null);
  }
});

test("pages of others sign nobody in, and nobody out", async () => {
  for (const headers of [
    {},
    { origin: "null" },
    { origin: "https://evil.example" },
    { origin: http.url, "sec-fetch-site": "cross-site" },
  ] as Record<string, string>[]) {
    const into = await signIn(http.caller.token, headers);
    const out = await http.call("DELETE", path, { as: null, headers });
    for (const answer of [into, out]) {
      expect([answer.status, answer.body.code]).toEqual([403, "forbidden"]);
      expect(answer.headers.get("set-cookie")).toBe(null);
    }
  }
});

test("the cookie is named after the port that the browser sees: replicas of one address share it", () => {
  const read = (host: string, cookie: string, port: number) =>
    credentialOf({ host, cookie }, port).kind;
  expect(read("127.0.0.1:7420", "parley_7420=t", 40_001)).toBe("cookie");
  expect(read("127.0.0.1:7420", "parley_7420=t", 40_002)).toBe("cookie");
  expect(read("parley.example", "parley=t", 7420)).toBe("cookie");
  expect(read("127.0.0.1:7421", "parley_7420=t", 7421)).toBe("none");
});

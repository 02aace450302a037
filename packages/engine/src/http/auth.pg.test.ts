import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { chatIn } from "../../test/chat-in-state.ts";
import { startHttpServer, type TestHttpServer } from "../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { newToken } from "../domain/token.ts";
import { systemClock } from "../lib/clock.ts";
import { ManualClock } from "../lib/manual-clock.ts";
import { systemRandom } from "../lib/random.ts";
import { revokeToken } from "../store/tokens.ts";

let db: TestDatabase;
let http: TestHttpServer;
const clock = new ManualClock();
const random = systemRandom(systemClock);
beforeAll(async () => {
  db = await createTestDatabase();
  http = await startHttpServer(db.database, {
    clock,
    publicHosts: ["parley.example"],
    metrics: { contentType: "text/plain", text: async () => "up 1\n" },
  });
});
afterAll(async () => {
  await http?.close();
  await db?.drop();
});

const api = "/api/v1";

/** Every route that asks who calls, with an id where it takes one. */
const routes: [string, string, unknown?][] = [
  ["GET", "/chats"],
  ["POST", "/chats", { content: "x" }],
  ["GET", "/chats/ID"],
  ["PATCH", "/chats/ID", { title: "x" }],
  ["DELETE", "/chats/ID"],
  ["POST", "/chats/ID/fork", {}],
  ["POST", "/chats/ID/title", { title: "x" }],
  ["POST", "/chats/ID/clear", {}],
  ["GET", "/chats/ID/usage"],
  ["GET", "/chats/ID/messages"],
  ["GET", "/chats/ID/messages/1/versions"],
  ["POST", "/chats/ID/messages", { content: "x" }],
  ["PATCH", "/chats/ID/messages/1", { content: "x" }],
  ["PATCH", "/chats/ID/queue/1", { position: 0 }],
  ["DELETE", "/chats/ID/queue/1"],
  ["POST", "/chats/ID/queue/1/promote", {}],
  ["POST", "/chats/ID/interrupt", {}],
  ["POST", "/chats/ID/retry", {}],
  ["POST", "/chats/ID/compact", {}],
  ["POST", "/chats/ID/reconcile", {}],
  ["POST", "/chats/ID/tool-results", { results: [{ tool_call_id: "a", output: 1 }] }],
  ["POST", "/chats/ID/approvals", { decisions: [{ tool_call_id: "a", decision: "deny" }] }],
  ["POST", "/chats/ID/stream-tickets", {}],
  ["GET", "/chats/ID/stream"],
  ["POST", "/stream-tickets", {}],
  ["GET", "/chats/watch"],
  ["GET", "/usage"],
  ["GET", "/owners/ID/budget"],
  ["PUT", "/owners/ID/budget", { budget: null }],
  ["POST", "/files", {}],
  ["GET", "/files"],
  ["GET", "/files/ID"],
  ["GET", "/files/ID/content"],
  ["POST", "/files/ID/links", {}],
  ["DELETE", "/files/ID"],
  ["GET", "/models"],
  ["GET", "/session"],
  ["GET", "/replicas"],
  ["GET", "/replicas/ID/metrics"],
  ["POST", "/replicas/ID/drain", {}],
  ["GET", "/operator/chats/ID"],
  ["GET", "/tokens"],
  ["POST", "/tokens", { name: "x" }],
  ["DELETE", "/tokens/ID"],
];

describe("without a good token", () => {
  test("the list above is complete", async () => {
    const { body } = await http.call("GET", `${api}/openapi.json`, { as: null });
    const known = routes.map(([method, path]) => `${method.toLowerCase()} ${pattern(path)}`);
    const documented = Object.entries(body.paths as Record<string, object>).flatMap(
      ([path, methods]) =>
        Object.keys(methods).map((method) => `${method} ${pattern(path.slice(api.length))}`),
    );
    // By these one comes to have a cookie, and loses it: session.pg.test.ts says who may.
    const withoutToken = ["post /session", "delete /session"];
    expect([...known, ...withoutToken].sort()).toEqual(documented.sort());
  });

  test.each(routes)("%s %s answers 401", async (method, path, body) => {
    const { id } = await chatIn(http.world, "R1");
    const address = api + path.replace("ID", id);
    const before = await http.world.sql(`select * from parley.chats where id = $1`, [id]);
    for (const authorization of [
      undefined,
      "Bearer",
      "Bearer x",
      `Bearer ${newToken(random)}`,
      `Bearer ${http.caller.token}x`,
      `Bearer ${"x".repeat(10_000)}`,
      `Basic ${http.caller.token}`,
      http.caller.token,
    ]) {
      const answer = await http.call(method, address, {
        as: null,
        ...(body === undefined ? {} : { body }),
        headers: authorization === undefined ? {} : { authorization },
      });
      expect([answer.status, answer.body.code]).toEqual([401, "unauthorized"]);
      expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/);
    }
    expect(await http.world.sql(`select * from parley.chats where id = $1`, [id])).toEqual(before);
  });

  test("a token is asked for before the body is read", async () => {
    const answer = await http.call("POST", `${api}/chats`, { as: null, raw: "{" });
    expect(answer.status).toBe(401);
  });

  test("the scheme may be written in any case", async () => {
    const headers = { authorization: `bEARER  ${http.caller.token}` };
    expect((await http.call("GET", `${api}/models`, { as: null, headers })).status).toBe(200);
  });
});

function pattern(path: string): string {
  return path.replace(/\{\w+\}|\bID\b|(?<=\/)1\b/g, "*");
}

describe("somebody else's chat", () => {
  const foreign = routes.filter(([, path]) => path.startsWith("/chats/ID"));

  test.each(foreign)("%s %s answers as if there were none", async (method, path, body) => {
    const stranger = await http.newCaller();
    const { id } = await chatIn(http.world, "R1");
    const nobody = "01a1fd65-95cc-7564-8c0a-000000000000";
    const options = { as: stranger, ...(body === undefined ? {} : { body }) };
    const before = await http.world.sql(`select * from parley.chats where id = $1`, [id]);
    const [theirs, none] = [
      await http.call(method, api + path.replace("ID", id), options),
      await http.call(method, api + path.replace("ID", nobody), options),
    ];
    expect([theirs.status, theirs.body.code]).toEqual([404, "chat_not_found"]);
    const anonymous = (answer: typeof theirs, chat: string) =>
      answer.text.replaceAll(chat, "ID").replace(answer.body.request_id, "REQUEST");
    expect(anonymous(theirs, id)).toBe(anonymous(none, nobody));
    expect([...theirs.headers.keys()]).toEqual([...none.headers.keys()]);
    // Also once the owner is remembered.
    await http.call("GET", `${api}/chats/${id}`);
    const again = await http.call(method, api + path.replace("ID", id), options);
    expect(anonymous(again, id)).toBe(anonymous(none, nobody));
    expect(await http.world.sql(`select * from parley.chats where id = $1`, [id])).toEqual(before);
  });
});

describe("tokens", () => {
  test("are made, listed, used and revoked", async () => {
    const owner = await http.newCaller();
    const made = await http.call("POST", `${api}/tokens`, {
      as: owner,
      body: { name: "laptop", expires_in_seconds: 3600 },
    });
    expect(made.status).toBe(201);
    expect(made.body.secret).toMatch(/^parley_[\w-]{43}$/);
    expect(made.body.token).toMatchObject({ name: "laptop", is_current: false });
    expect(Date.parse(made.body.token.expires_at)).toBeGreaterThan(Date.now());
    const laptop = { ...owner, token: made.body.secret as string };

    const list = await http.call("GET", `${api}/tokens`, { as: laptop });
    expect(
      list.body.tokens.map((t: { name: string; is_current: boolean }) => [t.name, t.is_current]),
    )
      // The newest first.
      .toEqual([
        ["laptop", true],
        ["test", false],
      ]);
    expect(list.text).not.toContain(made.body.secret);
    const [stored] = await http.world.sql<{ n: number }>(
      `select count(*)::int as n from parley.api_tokens where token_hash = sha256($1::bytea)`,
      [Buffer.from(made.body.secret)],
    );
    expect(stored?.n).toBe(1);

    const path = `${api}/tokens/${made.body.token.id}`;
    expect((await http.call("DELETE", path)).status).toBe(404); // somebody else's
    expect((await http.call("DELETE", path, { as: owner })).status).toBe(204);
    // At once, not when the cache forgets.
    expect((await http.call("GET", `${api}/tokens`, { as: laptop })).status).toBe(401);
    expect((await http.call("DELETE", path, { as: owner })).status).toBe(404);
    expect((await http.call("GET", `${api}/tokens`, { as: owner })).body.tokens).toHaveLength(1);
  });

  test("revoked elsewhere are good no longer than the cache lasts", async () => {
    const owner = await http.newCaller();
    const get = async () => (await http.call("GET", `${api}/models`, { as: owner })).status;
    expect(await get()).toBe(200);
    await db.database.write((tx) => revokeToken(tx, owner.principalId, owner.tokenId));
    expect(await get()).toBe(200);
    await clock.advance(3_001);
    expect(await get()).toBe(401);
  });

  test("end when they expire, cached or not", async () => {
    const owner = await http.newCaller({ expiresInSeconds: 2 });
    const get = async () => (await http.call("GET", `${api}/models`, { as: owner })).status;
    expect(await get()).toBe(200);
    await http.world.advance(2_001);
    await clock.advance(2_001);
    expect(await get()).toBe(401);
  });

  test("cost one query, and then none for a while", async () => {
    const owner = await http.newCaller();
    const get = () => http.call("GET", `${api}/models`, { as: owner });
    const before = db.database.stats.snapshot();
    await get();
    await get();
    await get();
    const { operations } = db.database.stats.since(before);
    expect(operations["auth.token"]).toMatchObject({ statements: 1, roundTrips: 1 });
  });

  test("remember roughly when they were used", async () => {
    const owner = await http.newCaller();
    await http.call("GET", `${api}/models`, { as: owner });
    await vi.waitFor(async () => {
      const [row] = await http.world.sql<{ last_used_at: Date | null }>(
        `select last_used_at from parley.api_tokens where id = $1`,
        [owner.tokenId],
      );
      expect(row?.last_used_at).toBeInstanceOf(Date);
    });
  });
});

describe("the page and the cookie", () => {
  const home = (query = "", headers: Record<string, string> = {}) =>
    http.call("GET", `/${query}`, { as: null, headers });

  test("a token in the address is exchanged for a cookie", async () => {
    const answer = await home(`?token=${http.caller.token}`);
    expect(answer.status).toBe(200);
    const cookie = answer.headers.get("set-cookie") ?? "";
    expect(cookie).toContain(`parley_${http.port}=`);
    expect(cookie).toContain("HttpOnly");
    expect(cookie).toContain("SameSite=Strict");
    expect(cookie).toContain("Path=/");
    expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(answer.headers.get("content-security-policy")).toMatch(/^default-src 'none'/);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.get("referrer-policy")).toBe("no-referrer");
    expect(answer.text).toContain("Parley runs");
    expect(answer.text).toContain("demo/demo");
    expect(answer.text).toContain(`http://127.0.0.1:${http.port}/api/v1/chats`);
    expect(answer.text).not.toContain(http.caller.token);

    const signedIn = await home("", { cookie: cookie.split(";")[0] ?? "" });
    expect(signedIn.status).toBe(200);
    expect(signedIn.headers.get("set-cookie")).toBe(null);
  });

  test("a bad token gets no cookie, and a stranger learns how to sign in", async () => {
    for (const query of ["?token=x", `?token=${newToken(random)}`, ""]) {
      const answer = await home(query);
      expect(answer.status).toBe(401);
      expect(answer.headers.get("set-cookie")).toBe(null);
      expect(answer.text).toContain("?token=");
    }
    expect((await home("?x=1")).body.code).toBe("invalid_request");
  });

  describe("the cookie", () => {
    const cookie = () => `parley_${http.port}=${http.caller.token}`;
    const call = (method: string, headers: Record<string, string>) =>
      http.call(method, `${api}/chats`, {
        as: null,
        headers: { cookie: cookie(), ...headers },
        ...(method === "POST" ? { body: { content: "x" } } : {}),
      });

    test("reads", async () => {
      expect((await call("GET", {})).status).toBe(200);
      expect((await call("GET", { "sec-fetch-site": "same-origin" })).status).toBe(200);
      expect((await call("GET", { "sec-fetch-site": "none" })).status).toBe(200);
    });

    test("changes things only for pages of this server", async () => {
      expect((await call("POST", { origin: http.url })).status).toBe(201);
      for (const headers of [
        {},
        { origin: "null" },
        { origin: "https://evil.example" },
        { origin: `http://127.0.0.1:${http.port + 1}` },
        { origin: `http://127.0.0.1:${http.port}.evil.example` },
        { origin: "nonsense" },
        { origin: http.url, "sec-fetch-site": "cross-site" },
        { origin: http.url, "sec-fetch-site": "same-site" },
      ] as Record<string, string>[]) {
        const answer = await call("POST", headers);
        expect([answer.status, answer.body.code]).toEqual([403, "forbidden"]);
      }
      const cross = await call("GET", { "sec-fetch-site": "cross-site" });
      expect(cross.status).toBe(403);
      expect((await call("GET", { origin: "https://evil.example" })).status).toBe(403);
    });

    test("of another port, or with a bad token, is none", async () => {
      for (const value of [`parley_1=${http.caller.token}`, `parley_${http.port}=x`, "%"]) {
        const answer = await call("GET", { cookie: value });
        expect(answer.status).toBe(401);
      }
    });

    test("does not stand in for a bad bearer token", async () => {
      const answer = await call("GET", { authorization: "Bearer x" });
      expect(answer.status).toBe(401);
    });
  });

  test("a name that is not ours gets no cookie in, while a bearer token passes", async () => {
    const { request } = await import("node:http");
    const status = (host: string, headers: Record<string, string>, path = `${api}/chats`) =>
      new Promise<number | undefined>((resolve, reject) => {
        const options = { host: "127.0.0.1", port: http.port, path, setHost: false };
        request({ ...options, headers: { host, ...headers } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .on("error", reject)
          .end();
      });
    const cookie = { cookie: `parley_${http.port}=${http.caller.token}` };
    const bearer = { authorization: `Bearer ${http.caller.token}` };
    for (const host of [
      "evil.example",
      `evil.example:${http.port}`,
      "127.0.0.1.evil.example",
      ".",
    ]) {
      expect([host, await status(host, cookie)]).toEqual([host, 403]);
      expect([host, await status(host, bearer)]).toEqual([host, 200]);
      expect(await status(host, {}, `/?token=${http.caller.token}`)).toBe(403);
    }
    for (const host of [
      `localhost:${http.port}`,
      `127.0.0.1:${http.port}`,
      `[::1]:${http.port}`,
      "parley.example",
      "PARLEY.example:443",
    ]) {
      expect([host, await status(host, cookie)]).toEqual([host, 200]);
    }
  });
});

describe("operations", () => {
  test("health, readiness and the document are open", async () => {
    for (const path of ["/healthz", "/readyz", `${api}/openapi.json`]) {
      expect((await http.call("GET", path, { as: null })).status).toBe(200);
    }
  });

  test("a worker that lost its lease is not ready", async () => {
    const other = await startHttpServer(db.database, { worker: () => "lost" });
    const answer = await other.call("GET", "/readyz", { as: null });
    expect(answer.status).toBe(503);
    expect(answer.body).toEqual({
      status: "not_ready",
      checks: { database: "ok", worker: "lease_lost", draining: "ok" },
    });
    await other.close();
  });

  test("metrics are for this machine and for administrators", async () => {
    const local = await http.call("GET", "/metrics", { as: null });
    expect([local.status, local.text]).toEqual([200, "up 1\n"]);
    expect((await http.call("GET", "/metrics")).status).toBe(403);
    const admin = await http.newCaller({ isAdmin: true });
    expect((await http.call("GET", "/metrics", { as: admin })).status).toBe(200);
    const proxied = { "x-forwarded-for": "203.0.113.1" };
    expect((await http.call("GET", "/metrics", { as: null, headers: proxied })).status).toBe(401);
  });
});

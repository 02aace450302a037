import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request, type IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startHttpServer, type TestHttpServer } from "../../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../../test/postgres.ts";
import { newToken } from "../../domain/token.ts";
import { systemClock } from "../../lib/clock.ts";
import { systemRandom } from "../../lib/random.ts";

const html = "<!doctype html><title>the application</title>";
const script = `console.log("${"x".repeat(2000)}")`;
let db: TestDatabase;
let http: TestHttpServer;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "parley-web-"));
  await mkdir(join(folder, "dist/assets"), { recursive: true });
  const files: [string, string | Buffer][] = [
    ["secret.txt", "outside"],
    ["dist/index.html", html],
    ["dist/theme.js", "// theme"],
    ["dist/.sources", "a stamp"],
    ["dist/assets/index-abc.js", script],
    ["dist/assets/index-abc.js.br", brotliCompressSync(script)],
    ["dist/assets/index-abc.js.gz", gzipSync(script)],
  ];
  await Promise.all(files.map(([name, content]) => writeFile(join(folder, name), content)));
  db = await createTestDatabase();
  http = await startHttpServer(db.database, { webRoot: join(folder, "dist") });
});
afterAll(async () => {
  await http?.close();
  await db?.drop();
  await rm(folder, { recursive: true, force: true });
});

const get = (path: string, headers: Record<string, string> = {}) =>
  http.call("GET", path, { as: null, headers });
/** A request with no headers but these: `fetch` adds some, and tidies the address. */
async function bare(
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number | undefined; headers: IncomingHttpHeaders; bytes: number }> {
  return await new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port: http.port, path, headers }, (response) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => (bytes += chunk.length));
      response.on("end", () => {
        resolve({ status: response.statusCode, headers: response.headers, bytes });
      });
    })
      .on("error", reject)
      .end();
  });
}
const person = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

describe("the page", () => {
  test.each(["/", "/chats/0198c0de-0000-7000-8000-000000000000", "/settings", "/operator?x=1"])(
    "is there for a person who opens %s",
    async (path) => {
      const answer = await get(path, person);
      expect(answer.status).toBe(200);
      expect(answer.text).toBe(html);
      expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(answer.headers.get("cache-control")).toBe("no-store");
      expect(answer.headers.get("x-frame-options")).toBe("DENY");
      expect(answer.headers.get("referrer-policy")).toBe("no-referrer");
    },
  );

  test("may run our scripts and nobody else's, and talk to us alone", async () => {
    const policy = (await get("/", person)).headers.get("content-security-policy") ?? "";
    const rules = new Map(
      policy.split("; ").map((rule): [string, string] => {
        const [name = "", ...values] = rule.split(" ");
        return [name, values.join(" ")];
      }),
    );
    expect(rules.get("default-src")).toBe("'none'");
    expect(rules.get("script-src")).toBe("'self'");
    expect(rules.get("connect-src")).toBe("'self'");
    expect(rules.get("frame-ancestors")).toBe("'none'");
    expect(rules.get("base-uri")).toBe("'none'");
    for (const [name, value] of rules) {
      expect([name, /https?:|\*|unsafe-eval/.test(value)]).toEqual([name, false]);
    }
  });

  test.each([
    ["of the API", "/api/v1/nowhere", person],
    ["of a script", "/assets/gone-123.js", person],
    ["with the name of a file", "/favicon.ico", person],
    ["of a program", "/nowhere", { accept: "application/json" }],
    ["of a page's fetch", "/nowhere", { accept: "*/*" }],
  ])("does not stand in for an address %s", async (_what, path, headers) => {
    const answer = await get(path, headers);
    expect(answer.status).toBe(404);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.body.code).toBe("not_found");
  });

  test("does not answer what changes things", async () => {
    const answer = await http.call("POST", "/settings", { as: null, headers: person, body: {} });
    expect([answer.status, answer.body.code]).toEqual([404, "not_found"]);
  });
});

describe("files", () => {
  test("with a hash in their name are kept for ever, in the encoding that the browser takes", async () => {
    const seen = async (encoding: string): Promise<[string | undefined, number]> => {
      const answer = await bare("/assets/index-abc.js", { "accept-encoding": encoding });
      return [answer.headers["content-encoding"], answer.bytes];
    };
    expect(await seen("gzip, br")).toEqual(["br", brotliCompressSync(script).length]);
    expect(await seen("gzip")).toEqual(["gzip", gzipSync(script).length]);
    expect(await seen("identity")).toEqual([undefined, script.length]);
    const answer = await get("/assets/index-abc.js");
    expect(answer.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(answer.headers.get("content-type")).toMatch(/javascript/);
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
  });

  test("without one are asked for again", async () => {
    const answer = await get("/theme.js");
    expect(answer.headers.get("cache-control")).toBe("no-cache");
    const etag = answer.headers.get("etag") ?? "";
    expect((await bare("/theme.js", { "if-none-match": etag })).status).toBe(304);
  });

  test.each([
    "/.sources",
    "/index.html.gz",
    "/assets/../.sources",
    "/assets/..%2f..%2fsecret.txt",
    "/assets/%2e%2e/%2e%2e/secret.txt",
    "/assets//etc/passwd",
    "/assets/",
  ])("are nothing else of the disk: %s", async (path) => {
    expect((await bare(path)).status).toBe(404);
  });
});

describe("the first-use address", () => {
  test("gives a cookie, and leads to the same page without the token", async () => {
    const answer = await fetch(`${http.url}/?token=${http.caller.token}`, { redirect: "manual" });
    expect(answer.status).toBe(303);
    expect(answer.headers.get("location")).toBe("/");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const cookie = answer.headers.get("set-cookie") ?? "";
    expect(cookie).toMatch(new RegExp(`^parley_${http.port}=`));
    expect(cookie).toContain("HttpOnly");
    expect(cookie).toContain("SameSite=Strict");
    const me = await get("/api/v1/session", { cookie: cookie.split(";")[0] ?? "" });
    expect(me.body.principal.id).toBe(http.caller.principalId);
  });

  test("with a bad token leads to the application, signed out", async () => {
    const token = newToken(systemRandom(systemClock));
    const answer = await get(`/?token=${token}`, person);
    expect([answer.status, answer.text]).toEqual([401, html]);
    expect(answer.headers.get("set-cookie")).toBe(null);
  });
});

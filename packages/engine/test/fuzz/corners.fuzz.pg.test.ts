import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHttpServer, type TestHttpServer } from "../http-server.ts";
import { createTestDatabase, type TestDatabase } from "../postgres.ts";
import { temporaryFolder } from "../server-process.ts";
import { fuzz, fuzzMsMax } from "./budget.ts";
import { expectNothingLeft, held } from "./left.ts";
import { cuts, inPieces, mutated, mutations } from "./mutations.ts";
import { exchange } from "./raw-socket.ts";
import { expectTyped } from "./typed.ts";

/** The corners of the server that take more than JSON: files, `/mcp`, the application's pages, cookies, and sizes. */

let db: TestDatabase;
let http: TestHttpServer;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  await mkdir(join(folder.path, "assets"));
  await writeFile(join(folder.path, "index.html"), "<!doctype html><title>x</title>");
  await writeFile(join(folder.path, "assets/index-abc.js"), "x".repeat(5_000));
  db = await createTestDatabase();
  http = await startHttpServer(db.database, { webRoot: folder.path });
});
afterAll(async () => {
  await http?.close();
  await db?.drop();
  await folder?.remove();
});

interface Base {
  readonly line: string;
  readonly headers?: readonly string[];
  readonly body?: string | Uint8Array;
  /** Not what the body has. */
  readonly says?: number;
  /** Without it the request is the caller's. */
  readonly open?: boolean;
}

function bytesOf({ line, headers = [], body = "", says, open = false }: Base): Buffer {
  const bytes = Buffer.from(body);
  const all = [
    `${line} HTTP/1.1`,
    `Host: localhost:${http.port}`,
    ...(open ? [] : [`Authorization: Bearer ${http.caller.token}`]),
    "Connection: close",
    ...headers,
    ...(bytes.length > 0 || says !== undefined ? [`Content-Length: ${says ?? bytes.length}`] : []),
  ];
  return Buffer.concat([Buffer.from(`${all.join("\r\n")}\r\n\r\n`), bytes]);
}

const json = "Content-Type: application/json";
const form = "Content-Type: multipart/form-data; boundary=B";
const part = (name: string, file: string, text: string): string =>
  `--B\r\nContent-Disposition: form-data; name="${name}"; filename="${file}"\r\n\r\n${text}\r\n`;
const upload = "POST /api/v1/files?name=a.txt";
const picture = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");

const files: readonly Base[] = [
  { line: upload, headers: ["Content-Type: text/plain"], body: "plain text" },
  { line: upload, headers: ["Content-Type: image/png"], body: picture },
  { line: upload, headers: ["X-File-Name: %E0%A4%A"], body: "x".repeat(70_000) },
  { line: "POST /api/v1/files", headers: [form], body: `${part("file", "a.txt", "hi")}--B--\r\n` },
  {
    line: "POST /api/v1/files",
    headers: [form],
    body: `${part("file", "../../etc/passwd", "one")}${part("file", "b", "two")}--B--\r\n`,
  },
  { line: upload, headers: ["Content-Encoding: gzip"], body: "zipped" },
  { line: upload, body: "little", says: 11 * 1024 * 1024 },
  { line: upload, body: "less than it says", says: 500 },
  {
    line: upload,
    headers: ["Transfer-Encoding: chunked"],
    body: "5\r\nhello\r\nfffffff\r\nless\r\n",
    says: 3,
  },
];

const rpc = (method: string, params: unknown): string =>
  JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
const client = { name: "fuzz", version: "1" };
const initialize = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: client };
const accept = "Accept: application/json, text/event-stream";
const mcp: readonly Base[] = [
  rpc("initialize", initialize),
  rpc("tools/list", {}),
  rpc("tools/call", { name: "start_chat", arguments: { message: "hello" } }),
  rpc("tools/call", { name: "get_chat", arguments: { chat_id: "x" } }),
  rpc("no/such", { a: [1] }),
  `[${rpc("tools/list", {})},${rpc("ping", {})}]`,
  JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }),
  JSON.stringify({ jsonrpc: "1.0", id: {}, method: 5 }),
].map((body) => ({ line: "POST /mcp", headers: [json, accept], body }));

const pages: readonly Base[] = [
  { line: "GET /", headers: ["Accept: text/html"], open: true },
  { line: "GET /chats/none", headers: ["Accept: text/html"], open: true },
  {
    line: "GET /assets/index-abc.js",
    headers: ["Range: bytes=-5,3-2,9999999999999-", "Accept-Encoding: br;q=9, *;q=x"],
    open: true,
  },
  { line: "GET /assets/..%2f..%2fetc/passwd", headers: ['If-None-Match: W/"x", *'], open: true },
  { line: "HEAD /index.html", open: true },
];

const cookies: readonly Base[] = [
  ["parley=x; parley=y", "parley_7420=%E0%A4%A"],
  [`parley=${"é".repeat(500)}`, "=; ;;; a"],
  ["__proto__=1; constructor=2; parley=\t"],
].map((each) => ({
  line: "GET /api/v1/session",
  headers: each.map((text) => `Cookie: ${text}`),
  open: true,
}));

const bodies: readonly Base[] = [
  `{"content": ${"[".repeat(50_000)}${"]".repeat(50_000)}}`,
  `{"content": ${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}}`,
  `{"content": "x", "labels": {${Array.from({ length: 5_000 }, (_, n) => `"l${n}":"1"`).join()}}}`,
  `{"content": "${"\\u0000".repeat(1_000)}"}`,
  `{"content": "${"x".repeat(3 * 1024 * 1024)}"}`,
  `{"content": "x", "client_tools": [${"1,".repeat(100_000)}1]}`,
  `{"content": 1e${"9".repeat(5_000)}}`,
].map((body) => ({ line: "POST /api/v1/chats", headers: [json], body }));

const corners: readonly (readonly [name: string, bases: readonly Base[]])[] = [
  ["files", files],
  ["mcp requests", mcp],
  ["pages", pages],
  ["cookies", cookies],
  ["bodies", bodies],
];

test.each(corners)(
  "%s are answered with what the API knows, and nothing is left of them",
  { timeout: fuzzMsMax },
  async (name, bases) => {
    await http.call("GET", "/api/v1/chats?limit=1");
    const before = held();
    const cases = fc.record({
      base: fc.nat(bases.length - 1),
      changes: fc.option(mutations, { freq: 4 }),
      cuts,
    });
    await fuzz(name, cases, 150, async ({ base, changes, cuts: places }) => {
      const whole = bytesOf(bases[base]!);
      const bytes = changes === null ? whole : mutated(whole, changes);
      const stays = changes === null && bases[base]!.says === undefined;
      const pieces = inPieces(bytes, places);
      const { bytes: answer, closed } = await exchange(http.port, pieces, { stays });
      expect(closed).toBe(true);
      // Who breaks off may be left without an answer.
      if (stays || answer.length > 0) expectTyped(answer);
    });
    await expectNothingLeft(http, before);
  },
);

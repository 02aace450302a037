import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import type { StoredFile } from "@parley/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../../test/eventually.ts";
import { startHttpServer, type TestCaller, type TestHttpServer } from "../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { Housekeeping } from "../engine/housekeeping.ts";
import { systemClock } from "../lib/clock.ts";
import { silentLogger } from "../lib/logger.ts";
import { systemRandom } from "../lib/random.ts";

const KiB = 1024;
const fileBytesMax = 700 * KiB;
const hourMs = 3_600_000;

let db: TestDatabase;
let http: TestHttpServer;
beforeAll(async () => {
  db = await createTestDatabase();
  http = await startHttpServer(db.database, {
    limits: { fileBytesMax, filesPerChatMax: 3, fileBytesPerOwnerMax: 8 * fileBytesMax },
  });
});
afterAll(async () => {
  await http?.close();
  await db?.drop();
});

const api = "/api/v1";
const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

interface Upload {
  name?: string;
  type?: string;
  as?: TestCaller;
  headers?: Record<string, string>;
}

async function upload(
  content: Uint8Array | string,
  { name = "a.txt", type, as, headers }: Upload = {},
) {
  return await http.call("POST", `${api}/files?name=${encodeURIComponent(name)}`, {
    raw: content,
    ...(as && { as }),
    headers: { "content-type": type ?? "application/octet-stream", ...headers },
  });
}

async function stored(
  content: Uint8Array | string = "hello",
  options: Upload = {},
): Promise<StoredFile> {
  const answer = await upload(content, options);
  expect(answer.status).toBe(201);
  return answer.body.file;
}

async function content(path: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(`${http.url}${path}`, init);
}

const bearer = (who: TestCaller = http.caller) => ({ authorization: `Bearer ${who.token}` });
const filePart = (file: StoredFile) => ({ type: "file", file_id: file.id });
const rows = async (): Promise<{ files: number; chunks: number }> => {
  const [row] = await http.world.sql<{ files: number; chunks: number }>(
    `select (select count(*) from parley.files) as files, (select count(*) from parley.file_chunks) as chunks`,
  );
  return row as { files: number; chunks: number };
};
const sweep = async (): Promise<void> =>
  await new Housekeeping({
    database: db.database,
    clock: systemClock,
    random: systemRandom(systemClock),
    logger: silentLogger,
  }).sweep();

async function newChat(
  parts: unknown,
): Promise<{ chatId: string; parts: unknown[]; messageId: number }> {
  const answer = await http.call("POST", `${api}/chats`, { body: { content: parts } });
  expect(answer.status).toBe(201);
  const [message] = answer.body.messages;
  return { chatId: answer.body.chat.id, parts: message.parts, messageId: message.id };
}

describe("an upload", () => {
  test("is what its content says, and its bytes come back", async () => {
    const answer = await upload(png, { name: "../x/photo.txt", type: "text/html" });
    expect(answer.status).toBe(201);
    const { file } = answer.body;
    expect(file).toMatchObject({
      name: "photo.txt",
      media_type: "image/png",
      size_bytes: png.length,
      sha256: createHash("sha256").update(png).digest("hex"),
    });
    expect(Date.parse(file.expires_at) - Date.parse(file.created_at)).toBeCloseTo(24 * hourMs, -3);
    expect((await http.call("GET", `${api}/files/${file.id}`)).body.file).toEqual(file);
    const got = await content(`${api}/files/${file.id}/content`, { headers: bearer() });
    expect(got.status).toBe(200);
    expect(Buffer.from(await got.arrayBuffer())).toEqual(png);
  });

  test("may be a form, as a browser and curl -F send it", async () => {
    const form = new FormData();
    form.append("file", new Blob(["a;b\n"]), "Grüße 世界.csv");
    const answer = await content(`${api}/files`, { method: "POST", body: form, headers: bearer() });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({
      file: { name: "Grüße 世界.csv", media_type: "text/csv", size_bytes: 4 },
    });
  });

  test("may be JSON, which is a file here like any other", async () => {
    const file = await stored('{"a": [1', { name: "half.json", type: "application/json" });
    expect(file).toMatchObject({ media_type: "application/json", size_bytes: 8 });
    expect(await stored("", { name: "empty" })).toMatchObject({ size_bytes: 0 });
  });

  test("may have its name in a header", async () => {
    const answer = await http.call("POST", `${api}/files`, {
      raw: "x",
      headers: { "content-type": "text/plain", "x-file-name": encodeURIComponent("ü.md") },
    });
    expect(answer.body.file).toMatchObject({ name: "ü.md", media_type: "text/markdown" });
  });

  test("of several chunks comes back whole, and in ranges", async () => {
    const bytes = randomBytes(600 * KiB + 17);
    const file = await stored(bytes);
    const path = `${api}/files/${file.id}/content`;
    const whole = await content(path, { headers: bearer() });
    expect(whole.headers.get("content-length")).toBe(String(bytes.length));
    expect(whole.headers.get("cross-origin-resource-policy")).toBe("same-origin");
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
    const range = `bytes=${255 * KiB}-${513 * KiB}`;
    const some = await content(path, { headers: { ...bearer(), range } });
    expect(some.status).toBe(206);
    expect(some.headers.get("content-range")).toBe(
      `bytes ${255 * KiB}-${513 * KiB}/${bytes.length}`,
    );
    const part = Buffer.from(await some.arrayBuffer());
    expect(part.equals(bytes.subarray(255 * KiB, 513 * KiB + 1))).toBe(true);
    const beyond = await content(path, { headers: { ...bearer(), range: "bytes=999999999-" } });
    expect(beyond.status).toBe(416);
    expect(beyond.headers.get("content-range")).toBe(`bytes */${bytes.length}`);
    expect(await beyond.json()).toMatchObject({ code: "range_not_satisfiable" });
  });

  test("that is sent again with the same key is the same file", async () => {
    const headers = { "idempotency-key": "upload-1" };
    const first = await upload("same", { headers });
    const before = await rows();
    const second = await upload("same", { headers });
    expect(second.body).toEqual(first.body);
    expect(await rows()).toEqual(before);
    const other = await upload("other", { headers });
    expect(other).toMatchObject({ status: 409, body: { code: "idempotency_key_reused" } });
    expect(await rows()).toEqual(before);
    const key = { "idempotency-key": "upload-2" };
    const both = await Promise.all([1, 2, 3].map(() => upload("at once", { headers: key })));
    expect(new Set(both.map(({ body }) => body.file.id)).size).toBe(1);
    expect((await rows()).files).toBe(before.files + 1);
  });

  test.each([
    ["no form at all", "nonsense"],
    [
      "a form that ends in the middle",
      '--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\nabc',
    ],
    [
      "a form without a file",
      '--b\r\ncontent-disposition: form-data; name="note"\r\n\r\nabc\r\n--b--\r\n',
    ],
    [
      "a form with another field",
      '--b\r\ncontent-disposition: form-data; name="photo"; filename="x"\r\n\r\nabc\r\n--b--\r\n',
    ],
    ["a form with nothing", "--b--\r\n"],
  ])("that is %s is refused and leaves nothing", async (_what, raw) => {
    const before = await rows();
    const answer = await http.call("POST", `${api}/files`, {
      raw,
      headers: { "content-type": "multipart/form-data; boundary=b" },
    });
    expect(answer).toMatchObject({ status: 400, body: { code: "invalid_request" } });
    expect(await rows()).toEqual(before);
  });

  test("of two files leaves none", async () => {
    const before = await rows();
    const form = new FormData();
    form.append("file", new Blob(["a"]), "a");
    form.append("file", new Blob(["b"]), "b");
    const answer = await content(`${api}/files`, { method: "POST", body: form, headers: bearer() });
    expect(answer.status).toBe(400);
    expect(await rows()).toEqual(before);
  });
});

describe("limits", () => {
  /** Sends a body bit by bit, without saying how long it will be. */
  function sending(headers: Record<string, string> = {}) {
    const answered = Promise.withResolvers<{ status: number; body: string }>();
    const sent = httpRequest(`${http.url}${api}/files?name=x`, {
      method: "POST",
      headers: { ...bearer(), "content-type": "text/plain", ...headers },
    });
    sent.on("response", (response) => {
      let body = "";
      response.on("data", (piece: Buffer) => (body += piece.toString()));
      response.on("end", () => answered.resolve({ status: response.statusCode ?? 0, body }));
    });
    sent.on("error", (error) => answered.reject(error));
    return { sent, answer: answered.promise };
  }

  test("a body that says it is too long is refused before it comes", async () => {
    const before = await rows();
    const { sent, answer } = sending({ "content-length": String(fileBytesMax + 1) });
    sent.write("a");
    expect(await answer).toMatchObject({ status: 413 });
    expect(await rows()).toEqual(before);
    sent.destroy();
  });

  test("one that does not say so is cut in the middle, and leaves nothing", async () => {
    const before = await rows();
    const { sent, answer } = sending();
    const piece = "x".repeat(64 * KiB);
    for (let n = 0; n * piece.length <= fileBytesMax + 300 * KiB; n++) sent.write(piece);
    const { status, body } = await answer;
    expect(status).toBe(413);
    expect(JSON.parse(body)).toMatchObject({
      code: "payload_too_large",
      details: { bytes_max: fileBytesMax },
    });
    expect(await rows()).toEqual(before);
    sent.destroy();
  });

  test("the same in a form", async () => {
    const before = await rows();
    const boundary = { "content-type": "multipart/form-data; boundary=b" };
    const { sent, answer } = sending(boundary);
    sent.write('--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n');
    const piece = "x".repeat(64 * KiB);
    for (let n = 0; n * piece.length <= fileBytesMax + 300 * KiB; n++) sent.write(piece);
    expect(await answer).toMatchObject({ status: 413 });
    expect(await rows()).toEqual(before);
    sent.destroy();
  });

  test.each<[string, Record<string, string>, string]>([
    ["body", {}, ""],
    [
      "form",
      { "content-type": "multipart/form-data; boundary=b" },
      '--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n',
    ],
  ])("a client that leaves in the middle of a %s leaves nothing", async (_kind, headers, begin) => {
    const before = await rows();
    const { sent, answer } = sending(headers);
    answer.catch(() => {});
    sent.write(begin + "x".repeat(300 * KiB));
    await eventually("a chunk", async () => (await rows()).chunks > before.chunks);
    sent.destroy();
    await eventually("nothing left", async () => (await rows()).files === before.files);
    expect(await rows()).toEqual(before);
  });

  test("an owner's files have their total, counted also while they arrive", async () => {
    const owner = await http.newCaller();
    const big = Buffer.alloc(fileBytesMax, 1);
    const answers = await Promise.all(Array.from({ length: 12 }, () => upload(big, { as: owner })));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(8);
    const refused = answers.filter(({ status }) => status !== 201);
    for (const { body } of refused) expect(body.code).toBe("file_space_used_up");
    const [file] = answers.flatMap(({ body }) => (body.file === undefined ? [] : [body.file]));
    expect((await http.call("DELETE", `${api}/files/${file.id}`, { as: owner })).status).toBe(204);
    expect((await upload(big, { as: owner })).status).toBe(201);
    expect((await upload("x", { as: owner })).status).toBe(409);
  });

  test("who has no room finds what takes it", async () => {
    const owner = await http.newCaller();
    const list = async (query = "") =>
      (await http.call("GET", `${api}/files${query}`, { as: owner })).body;
    const bytes_max = 8 * fileBytesMax;
    expect(await list()).toEqual({ files: [], has_more: false, bytes_used: 0, bytes_max });
    const files: StoredFile[] = [];
    for (const text of ["1", "22", "333"]) {
      // oxlint-disable-next-line no-await-in-loop
      files.unshift(await stored(text, { as: owner }));
    }
    expect(await list()).toEqual({ files, has_more: false, bytes_used: 6, bytes_max });
    expect(await list("?limit=2")).toMatchObject({ files: files.slice(0, 2), has_more: true });
    expect(await list(`?limit=2&before=${files[1]?.id}`)).toMatchObject({
      files: files.slice(2),
      has_more: false,
    });
    await http.call("DELETE", `${api}/files/${files[0]?.id}`, { as: owner });
    expect(await list()).toMatchObject({ files: files.slice(1), bytes_used: 3 });
    const bad = await http.call("GET", `${api}/files?limit=1000`, { as: owner });
    expect(bad.status).toBe(400);
  });

  test("types that are not taken are refused by content", async () => {
    const strict = await startHttpServer(db.database, {
      limits: { fileTypes: ["image/*", "application/pdf"] },
    });
    try {
      const before = await rows();
      const send = (raw: Uint8Array | string) =>
        strict.call("POST", `${api}/files?name=a.png`, {
          raw,
          headers: { "content-type": "image/png" },
        });
      expect((await send(png)).status).toBe(201);
      const refused = await send("a picture of words");
      expect(refused).toMatchObject({
        status: 415,
        body: { code: "file_type_refused", details: { media_type: "text/plain" } },
      });
      expect((await rows()).files).toBe(before.files + 1);
    } finally {
      await strict.close();
    }
  });

  test("a chat holds so many files, each counted once", async () => {
    const files = await Promise.all([1, 2, 3, 4].map((n) => stored(`file ${n}`)));
    const [a, b, c, d] = files.map(filePart);
    const { chatId, messageId } = await newChat([a, b, a]);
    const send = async (parts: unknown[]) =>
      await http.call("POST", `${api}/chats/${chatId}/messages`, { body: { content: parts } });
    expect((await send([b, c])).status).toBe(200);
    const before = await http.call("GET", `${api}/chats/${chatId}`);
    expect(await send([d])).toMatchObject({ status: 409, body: { code: "too_many_files" } });
    expect((await http.call("GET", `${api}/chats/${chatId}`)).body).toEqual(before.body);
    const edit = { content: [d] };
    const path = `${api}/chats/${chatId}/messages/${messageId}`;
    expect((await http.call("PATCH", path, { body: edit })).body.code).toBe("too_many_files");
    expect((await send([a, { type: "text", text: "again" }])).status).toBe(200);
  });
});

describe("a stranger", () => {
  test("finds no file of others, whatever he does", async () => {
    const stranger = await http.newCaller();
    const file = await stored();
    const at = `${api}/files/${file.id}`;
    for (const [method, path] of [
      ["GET", at],
      ["GET", `${at}/content`],
      ["POST", `${at}/links`],
      ["DELETE", at],
    ] as const) {
      const answer = await http.call(method, path, { as: stranger });
      expect(answer).toMatchObject({ status: 404, body: { code: "file_not_found" } });
    }
    const body = { content: [filePart(file)] };
    const answer = await http.call("POST", `${api}/chats`, { body, as: stranger });
    expect(answer).toMatchObject({ status: 404, body: { code: "file_not_found" } });
    expect((await http.call("GET", at)).status).toBe(200);
    for (const path of [at, `${at}/content`]) {
      expect((await http.call("GET", path, { as: null })).status).toBe(401);
    }
  });

  test.each(["x", "0", "00000000-0000-7000-8000-000000000000", "%00", "..%2f"])(
    "%s is no file",
    async (id) => {
      const answer = await http.call("GET", `${api}/files/${id}`);
      expect(answer).toMatchObject({ status: 404, body: { code: "file_not_found" } });
    },
  );
});

describe("a signed link", () => {
  const linkTo = async (file: StoredFile): Promise<{ url: string; expires_at: string }> => {
    const answer = await http.call("POST", `${api}/files/${file.id}/links`);
    expect(answer.status).toBe(201);
    return answer.body;
  };

  test("gives the bytes to whoever has it, for a while", async () => {
    const file = await stored("linked");
    const { url, expires_at } = await linkTo(file);
    expect(Date.parse(expires_at) - Date.now()).toBeGreaterThan(9 * 60_000);
    const got = await content(url);
    expect(got.status).toBe(200);
    expect(await got.text()).toBe("linked");
    const other = await stored("other");
    for (const bad of [
      url.replace(file.id, other.id),
      url.replace(/expires=\d+/, "expires=99999999999"),
      url.replace(/signature=./, "signature=_"),
      url.replace(/&signature=.*/, ""),
      url.replace(/expires=\d+&/, ""),
    ]) {
      // oxlint-disable-next-line no-await-in-loop
      expect((await content(bad)).status).toBe(401);
    }
  });

  test.each<[string, Uint8Array | string, string, string]>([
    ["a picture", png, "inline", "image/png"],
    ["a drawing", "<svg onload='alert(1)'/>", "attachment", "image/svg+xml"],
    [
      "a page",
      "<!doctype html><script>alert(1)</script>",
      "attachment",
      "text/html; charset=utf-8",
    ],
    ["a document", "%PDF-1.4\n", "attachment", "application/pdf"],
    ["text", "hi", "attachment", "text/plain; charset=utf-8"],
  ])("shows %s as what it is, and runs nothing", async (_what, bytes, kind, type) => {
    const { url } = await linkTo(await stored(bytes, { name: 'a"b.png' }));
    const { headers } = await content(url);
    expect(headers.get("content-type")).toBe(type);
    expect(headers.get("content-disposition")).toMatch(new RegExp(`^${kind}; filename="a_b.png"`));
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("content-security-policy")).toContain("sandbox");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("set-cookie")).toBeNull();
    expect(headers.get("cross-origin-resource-policy")).toBe("cross-origin");
  });
});

describe("in messages", () => {
  test("a reference is stored with what the server knows of the file", async () => {
    const file = await stored(png, { name: "p.png" });
    const lie = { ...filePart(file), media_type: "text/plain", filename: "x", size_bytes: 1 };
    const { chatId, parts, messageId } = await newChat([{ type: "text", text: "see" }, lie]);
    const known = {
      type: "file",
      file_id: file.id,
      media_type: "image/png",
      filename: "p.png",
      size_bytes: png.length,
    };
    expect(parts).toEqual([{ type: "text", text: "see" }, known]);
    const read = await http.call("GET", `${api}/files/${file.id}`);
    expect(read.body.file.expires_at).toBeNull();
    const queued = await http.call("POST", `${api}/chats/${chatId}/messages`, {
      body: { content: [filePart(file)] },
    });
    expect(queued.body.queued.parts).toEqual([known]);
    const other = await stored("other");
    const edited = await http.call(
      "PATCH",
      `${api}/chats/${chatId}/queue/${queued.body.queued.id}`,
      { body: { content: [filePart(other)] } },
    );
    expect(edited.body.queue[0].parts[0]).toMatchObject({ file_id: other.id, filename: "a.txt" });
    expect((await http.call("GET", `${api}/files/${other.id}`)).body.file.expires_at).toBeNull();
    const again = await http.call("PATCH", `${api}/chats/${chatId}/messages/${messageId}`, {
      body: { content: parts },
    });
    expect(again.body.messages[0].parts).toEqual(parts);
  });

  test.each([
    [{ type: "file", file_id: "00000000-0000-7000-8000-000000000000", data: "aGk=" }],
    [{ type: "file", media_type: "image/png" }],
    [{ type: "file", data: "aGk=" }],
    [{ type: "file", file_id: "nonsense" }],
  ])("%j is no part", async (part) => {
    const answer = await http.call("POST", `${api}/chats`, { body: { content: [part] } });
    expect(answer).toMatchObject({ status: 400, body: { code: "invalid_request" } });
  });

  test("a file that is still arriving, or came to nothing, cannot be named", async () => {
    const id = "00000000-0000-7000-8000-00000000000a";
    await http.world.sql(
      `insert into parley.files (id, owner_id, name, size_bytes) values ($1, $2, 'x', 1)`,
      [id, http.caller.principalId],
    );
    const body = { content: [{ type: "file", file_id: id }] };
    const answer = await http.call("POST", `${api}/chats`, { body });
    expect(answer).toMatchObject({ status: 404, body: { code: "file_not_found" } });
    await http.world.sql(`delete from parley.files where id = $1`, [id]);
  });

  test("a fork keeps the file when the chat that it came from is deleted", async () => {
    const file = await stored("forked");
    const { chatId } = await newChat([filePart(file)]);
    const fork = await http.call("POST", `${api}/chats/${chatId}/fork`, { body: {} });
    expect(fork.status).toBe(201);
    expect((await http.call("DELETE", `${api}/chats/${chatId}`)).status).toBe(204);
    await sweep();
    expect((await http.call("GET", `${api}/files/${file.id}`)).status).toBe(200);
    await http.call("DELETE", `${api}/chats/${fork.body.chat.id}`);
    expect((await http.call("GET", `${api}/files/${file.id}`)).body.code).toBe("file_expired");
    await sweep();
    expect((await http.call("GET", `${api}/files/${file.id}`)).body.code).toBe("file_not_found");
  });
});

describe("the end of a file", () => {
  test("one that is taken away leaves the part, and 410 in the place of its bytes", async () => {
    const file = await stored("gone");
    const { chatId } = await newChat([filePart(file)]);
    const { url } = (await http.call("POST", `${api}/files/${file.id}/links`)).body;
    expect((await http.call("DELETE", `${api}/files/${file.id}`)).status).toBe(204);
    for (const path of [`${api}/files/${file.id}`, `${api}/files/${file.id}/content`, url]) {
      // oxlint-disable-next-line no-await-in-loop
      const answer = await http.call("GET", path);
      expect(answer).toMatchObject({ status: 410, body: { code: "file_expired" } });
    }
    const listed = await http.call("GET", `${api}/chats/${chatId}/messages`);
    expect(listed.body.messages[0].parts[0]).toMatchObject({ file_id: file.id });
    const chunks = await http.world.sql(`select from parley.file_chunks where file_id = $1`, [
      file.id,
    ]);
    expect(chunks).toHaveLength(0);
    const send = await http.call("POST", `${api}/chats/${chatId}/messages`, {
      body: { content: [filePart(file)] },
    });
    expect(send).toMatchObject({ status: 410, body: { code: "file_expired" } });
    expect((await http.call("DELETE", `${api}/files/${file.id}`)).status).toBe(204);
    await http.call("DELETE", `${api}/chats/${chatId}`);
    await sweep();
    expect((await http.call("DELETE", `${api}/files/${file.id}`)).status).toBe(404);
  });

  test("one whose bytes were not brought back from a backup says so", async () => {
    const file = await stored("lost");
    await http.world.sql(`delete from parley.file_chunks where file_id = $1`, [file.id]);
    const answer = await http.call("GET", `${api}/files/${file.id}/content`);
    expect(answer).toMatchObject({ status: 410, body: { code: "file_expired" } });
    expect(answer.headers.get("content-disposition")).toBeNull();
  });

  test("a deletion whose answer was lost may be sent again", async () => {
    const file = await stored("twice");
    const headers = { "idempotency-key": "delete-1" };
    const remove = async () => await http.call("DELETE", `${api}/files/${file.id}`, { headers });
    expect((await remove()).status).toBe(204);
    expect((await remove()).status).toBe(204);
    expect((await http.call("DELETE", `${api}/files/${file.id}`)).status).toBe(404);
  });

  test("time: unused ones go after a day, used ones when their age says so, uploads that were left after an hour", async () => {
    const aging = await startHttpServer(db.database, { limits: { fileAgeMs: 48 * hourMs } });
    try {
      const send = async (raw: string): Promise<StoredFile> =>
        (
          await aging.call("POST", `${api}/files`, {
            raw,
            headers: { "content-type": "text/plain", ...bearer() },
          })
        ).body.file;
      const unused = await stored("unused");
      const used = await send("used");
      const kept = await stored("kept");
      const { chatId } = await newChat([filePart(used), filePart(kept)]);
      const left = "00000000-0000-7000-8000-00000000000b";
      await http.world.sql(
        `insert into parley.files (id, owner_id, name, size_bytes, sweep_at)
         values ($1, $2, 'x', 1, parley.now() + interval '1 hour')`,
        [left, http.caller.principalId],
      );
      const states = async () =>
        Object.fromEntries(
          (
            await http.world.sql<{ id: string; state: string }>(
              `select id, state from parley.files where id = any ($1)`,
              [[unused.id, used.id, kept.id, left]],
            )
          ).map(({ id, state }) => [id, state]),
        );
      await sweep();
      expect(Object.keys(await states())).toHaveLength(4);
      await http.world.advance(23 * hourMs);
      await sweep();
      expect(await states()).toEqual({
        [unused.id]: "ready",
        [used.id]: "ready",
        [kept.id]: "ready",
      });
      await http.world.advance(2 * hourMs);
      // Honest also before the sweep has come.
      expect((await http.call("GET", `${api}/files/${unused.id}`)).body.code).toBe("file_expired");
      await sweep();
      expect(await states()).toEqual({ [used.id]: "ready", [kept.id]: "ready" });
      await http.world.advance(24 * hourMs);
      expect((await http.call("GET", `${api}/files/${used.id}`)).body.code).toBe("file_expired");
      await sweep();
      expect(await states()).toEqual({ [used.id]: "expired", [kept.id]: "ready" });
      // A fork refers to what has expired like the chat that it comes from.
      const fork = await http.call("POST", `${api}/chats/${chatId}/fork`, { body: {} });
      await sweep();
      await http.call("DELETE", `${api}/chats/${chatId}`);
      await sweep();
      expect(await states()).toEqual({ [used.id]: "expired", [kept.id]: "ready" });
      await http.call("DELETE", `${api}/chats/${fork.body.chat.id}`);
      await sweep();
      expect(await states()).toEqual({});
    } finally {
      await aging.close();
    }
  });
});

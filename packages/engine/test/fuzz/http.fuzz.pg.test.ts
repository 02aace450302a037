import fc from "fast-check";
import { errorStatuses, type ErrorCode } from "@parley/protocol";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chatIn } from "../chat-in-state.ts";
import { startHttpServer, type TestHttpServer } from "../http-server.ts";
import { createTestDatabase, type TestDatabase } from "../postgres.ts";
import { openEvents, Refused } from "../stream-client.ts";
import { fuzz, fuzzMsMax } from "./budget.ts";
import { expectNothingLeft, held } from "./left.ts";
import { cuts, inPieces, mutated, mutations } from "./mutations.ts";
import { exchange } from "./raw-socket.ts";
import { valuesOf, type JsonSchema } from "./schema-values.ts";
import { expectTyped } from "./typed.ts";

/** Whatever clients send: a typed answer in time, nobody else is the worse for it, and nothing is left of it. */

interface Operation {
  parameters?: { name: string; in: string; schema: JsonSchema }[];
  requestBody?: { content: Record<string, { schema: JsonSchema }> };
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, JsonSchema> };
}

let db: TestDatabase;
let http: TestHttpServer;
let document: Document;
const chats: string[] = [];
const states = ["W", "E0", "E1", "R0", "R1", "A0", "A1", "I1"] as const;

beforeAll(async () => {
  db = await createTestDatabase();
  http = await startHttpServer(db.database);
  document = (await http.call("GET", "/api/v1/openapi.json", { as: null })).body as Document;
});
beforeEach(moreChats);
afterAll(async () => {
  await http?.close();
  await db?.drop();
});

async function moreChats(): Promise<void> {
  chats.length = 0;
  for (const state of states) chats.push((await chatIn(http.world, state)).id);
}

const weird = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom("0", "-1", "1e2", "9".repeat(30), "%00", "..%2f", "%", "x".repeat(5_000), "%ff"),
);

/** Longer addresses are no requests any more: the bytes below have them. */
const queryText = (value: unknown): string => String(value).slice(0, 2_000);

interface Request {
  method: string;
  path: string;
  body: unknown;
  bodyType: string | null;
}

function requests(): fc.Arbitrary<Request> {
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      // Streams are opened below; they have no end to wait for.
      .filter(() => !/\/(stream|watch)$/.test(path))
      .map(([method, operation]) => requestOf(path, method, operation)),
  );
  return fc.oneof(...all);
}

function requestOf(path: string, method: string, operation: Operation): fc.Arbitrary<Request> {
  const { schemas } = document.components;
  const query = (operation.parameters ?? []).filter((each) => each.in === "query");
  const values = fc.record(
    // A wait that is meant waits.
    Object.fromEntries(
      query
        .filter(({ name }) => name !== "wait")
        .map(({ name, schema }) => [
          name,
          fc.oneof(valuesOf(schema, schemas).map(queryText), weird),
        ]),
    ),
    { requiredKeys: [] },
  );
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  const ids = fc.tuple(
    ...names.map((name) =>
      name === "chat_id"
        ? fc.oneof(
            { weight: 8, arbitrary: fc.nat(states.length - 1).map((at) => () => chats[at] ?? "") },
            { weight: 1, arbitrary: weird.map((id) => () => encodeURIComponent(id)) },
          )
        : fc.oneof(
            fc.integer({ min: 0, max: 60 }).map((id) => () => String(id)),
            fc.uuid().map((id) => () => id),
            weird.map((id) => () => id.replace(/[/?#\s]/g, "")),
          ),
    ),
  );
  const content = Object.entries(operation.requestBody?.content ?? {});
  const json = content.find(([type]) => type.includes("json"))?.[1].schema;
  const body = json === undefined ? fc.constant(undefined) : valuesOf(json, schemas);
  return fc.record({ ids, values, body }).map((made) => {
    let at = 0;
    const filled = path.replace(/\{\w+\}/g, () => made.ids[at++]?.() ?? "");
    const search = new URLSearchParams(made.values as Record<string, string>).toString();
    return {
      method: method.toUpperCase(),
      path: search === "" ? filled : `${filled}?${search}`,
      body: made.body,
      bodyType: made.body === undefined ? null : "application/json",
    };
  });
}

describe("requests in the form of the API", () => {
  test(
    "get an answer that the API knows, and no failure of ours",
    { timeout: fuzzMsMax },
    async () => {
      const before = held();
      let asked = 0;
      const statuses = new Map<number, number>();
      await fuzz("requests", requests(), 400, async ({ method, path, body }) => {
        if (++asked % 100 === 0) await moreChats();
        const answer = await http.call(method, path, body === undefined ? {} : { body });
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        const what = `${method} ${path} ${JSON.stringify(body)?.slice(0, 500)}: ${answer.text.slice(0, 500)}`;
        expect(answer.status, what).toBeLessThan(500);
        if (answer.status < 400) return;
        const code = answer.body?.code as ErrorCode;
        expect(errorStatuses[code], what).toBe(answer.status);
        expect(answer.headers.get("content-type"), what).toBe("application/problem+json");
      });
      // Some were right and some were wrong, or nothing was tested.
      expect([...statuses.keys()].some((status) => status < 300)).toBe(true);
      expect([...statuses.keys()].some((status) => status >= 400)).toBe(true);
      // The test's own client keeps a few connections.
      await expectNothingLeft(http, before, 64);
    },
  );
});

describe("bytes on a socket", () => {
  const head = (line: string, ...headers: string[]): string =>
    [
      line,
      "Host: localhost",
      `Authorization: Bearer ${http.caller.token}`,
      ...headers,
      "",
      "",
    ].join("\r\n");
  const body = JSON.stringify({ content: "hello", client_id: "c" });
  const bases = (): string[] => {
    const messages = `/api/v1/chats/${chats[0]}/messages`;
    const json = "Content-Type: application/json";
    const post = `${head(`POST ${messages} HTTP/1.1`, json, `Content-Length: ${body.length}`)}${body}`;
    const get = head(`GET ${messages} HTTP/1.1`);
    const chunked = head(`POST ${messages} HTTP/1.1`, json, "Transfer-Encoding: chunked");
    return [
      get,
      post,
      get + post + get,
      `${chunked}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
      `${chunked}5;ext=1\r\n${body.slice(0, 5)}\r\nffffffffffffffff\r\n${body}`,
      `${head(`POST ${messages} HTTP/1.1`, json, "Content-Length: 5", "Content-Length: 900")}${body}`,
      `${head(`POST ${messages} HTTP/1.1`, json, "Content-Length: 900")}${body}`,
      head(`GET ${messages} HTTP/1.1`, `X-Large: ${"x".repeat(100_000)}`),
      head(`GET ${messages} HTTP/1.1`, ...Array.from({ length: 3_000 }, (_, n) => `X-${n}: 1`)),
      head(`GET /${"a/".repeat(9_000)} HTTP/1.1`),
      head(`POST /mcp HTTP/1.1`, json, "Expect: 100-continue", "Content-Length: 2") + "{}",
    ];
  };

  test(
    "are answered as HTTP, or cut off, and never kept waiting",
    { timeout: fuzzMsMax },
    async () => {
      const before = held();
      const cases = fc.record({ base: fc.nat(10), changes: fc.option(mutations), cuts });
      await fuzz("bytes", cases, 250, async ({ base, changes, cuts: places }) => {
        const text = Buffer.from(bases()[base] ?? "");
        const bytes = changes === null ? text : mutated(text, changes);
        const { bytes: answer, closed } = await exchange(http.port, inPieces(bytes, places));
        expect(closed, answer.toString("latin1")).toBe(true);
        if (answer.length > 0) expectTyped(answer);
      });
      await expectNothingLeft(http, before);
    },
  );

  const upgrade = (path: string, ...headers: string[]): string =>
    head(
      `GET ${path} HTTP/1.1`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ...headers,
    );
  const paths = (): string[] => [
    `/api/v1/chats/${chats[3]}/stream`,
    "/api/v1/chats/watch",
    "/api/v1/relay",
    "/",
  ];

  test("of a handshake that is wrong are no stream", { timeout: fuzzMsMax }, async () => {
    const before = held();
    const cases = fc.record({ path: fc.nat(3), sse: fc.boolean(), changes: mutations, cuts });
    await fuzz("handshakes", cases, 150, async ({ path, sse, changes, cuts: places }) => {
      const target = paths()[path] ?? "";
      const right = sse
        ? head(`GET ${target} HTTP/1.1`, "Accept: text/event-stream")
        : upgrade(target, "Sec-WebSocket-Extensions: permessage-deflate", "Origin: null");
      const bytes = mutated(Buffer.from(right), changes);
      const { bytes: answer } = await exchange(http.port, inPieces(bytes, places), {
        enough: (said) => said.includes("\r\n\r\n"),
      });
      const said = answer.toString("latin1");
      if (said !== "") expect(said).toMatch(/^HTTP\/1\.1 [1-4]\d\d /);
    });
    await expectNothingLeft(http, before);
  });

  /** A frame as it stands on the wire, with whatever it says of itself. */
  const wsFrame = fc
    .record({
      first: fc.oneof(fc.constantFrom(0x81, 0x82, 0x88, 0x89, 0x8a, 0x01, 0x00, 0x80), fc.nat(255)),
      masked: fc.boolean(),
      payload: fc.oneof(fc.uint8Array({ maxLength: 130 }), fc.constant(new Uint8Array(70_000))),
      says: fc.option(fc.constantFrom(0, 1, 125, 126, 127), { freq: 4 }),
    })
    .map(({ first, masked, payload, says }) => {
      const { length } = payload;
      const small = length < 126;
      const size = says ?? (small ? length : 126);
      const header = [first, (masked ? 0x80 : 0) | size];
      if (says === null && !small) header.push((length >> 8) & 255, length & 255);
      return Buffer.concat([Buffer.from([...header, ...(masked ? [1, 2, 3, 4] : [])]), payload]);
    });
  const huge = Buffer.concat([
    Buffer.from([0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0]),
    Buffer.alloc(1_000),
  ]);
  const flood = Buffer.concat(
    Array.from({ length: 5_000 }, () => Buffer.from([0x89, 0x80, 1, 2, 3, 4])),
  );

  test("of frames that make no sense end that stream alone", { timeout: fuzzMsMax }, async () => {
    const before = held();
    const frames = fc.array(
      fc.oneof({ weight: 8, arbitrary: wsFrame }, fc.constantFrom(huge, flood)),
      {
        minLength: 1,
        maxLength: 5,
      },
    );
    const cases = fc.record({ path: fc.nat(1), early: fc.boolean(), frames, cuts });
    const other = await openEvents(`${http.url}${paths()[0]}`, {
      authorization: `Bearer ${http.caller.token}`,
    });
    await other.has("ready");
    await fuzz("frames", cases, 120, async ({ path, early, frames: sent, cuts: places }) => {
      const open = Buffer.from(upgrade(paths()[path] ?? ""));
      const pieces = inPieces(Buffer.concat(sent), places);
      const { bytes } = early
        ? await exchange(http.port, [open, ...pieces])
        : await exchange(http.port, [open], { after: { seen: "\r\n\r\n", pieces } });
      const said = bytes.toString("latin1");
      // Who leaves before the answer gets none.
      if (!early || said !== "") expect(said).toMatch(/^HTTP\/1\.1 101 /);
    });
    expect(http.streams.stats().subscribers).toBeGreaterThanOrEqual(1);
    other.close();
    await expectNothingLeft(http, before);
  });
});

describe("cursors", () => {
  test(
    "that were tampered with are refused, or lead to what is there",
    { timeout: fuzzMsMax },
    async () => {
      const before = held();
      const [one = "", two = ""] = chats;
      const headers = { authorization: `Bearer ${http.caller.token}` };
      const read = async (id: string, cursor?: string): Promise<string[]> => {
        const search = cursor === undefined ? "" : `?cursor=${encodeURIComponent(cursor)}`;
        const client = await openEvents(`${http.url}/api/v1/chats/${id}/stream${search}`, headers);
        await client.has("ready");
        client.close();
        return client.events.flatMap((event) => event.cursor ?? []);
      };
      const real = [...(await read(one)), ...(await read(two))];
      const spliced = fc
        .record({ a: fc.nat(), b: fc.nat(), at: fc.double({ min: 0, max: 1, noNaN: true }) })
        .map(({ a, b, at }) => {
          const [from, to] = [real[a % real.length] ?? "", real[b % real.length] ?? ""];
          return from.slice(0, Math.floor(at * from.length)) + to.slice(Math.floor(at * to.length));
        });
      const bent = fc
        .record({ a: fc.nat(), changes: mutations })
        .map(({ a, changes }) =>
          mutated(Buffer.from(real[a % real.length] ?? ""), changes).toString(),
        );
      await fuzz("cursors", fc.oneof(spliced, bent), 150, async (cursor) => {
        const outcome = await read(one, cursor).then(
          () => "read",
          (error: unknown) => error,
        );
        if (outcome instanceof Refused) {
          expect([400, 414, 431]).toContain(outcome.status);
          if (outcome.status === 400) {
            expect(["invalid_cursor", "invalid_request"]).toContain(outcome.body.code);
          }
          return;
        }
        expect(outcome).toBe("read");
        if (cursor === "") return; // none, that is
        // Not one that was bent: of this chat, as it was given out.
        expect(real.includes(cursor), cursor).toBe(true);
      });
      await expectNothingLeft(http, before, 64);
    },
  );
});

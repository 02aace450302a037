import { connect } from "node:net";
import { streamCloses } from "@parley/protocol";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { WebSocket } from "ws";
import { chatIn, reply } from "../../test/chat-in-state.ts";
import { startHttpServer, type TestCaller, type TestHttpServer } from "../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import {
  openEvents,
  openWebSocket,
  Refused,
  type Headers,
  type StreamClient,
} from "../../test/stream-client.ts";
import { ManualClock } from "../lib/manual-clock.ts";
import { commitStep } from "../machine/transitions/commit-step.ts";
import { finishTurn } from "../machine/transitions/finish-turn.ts";
import { revokeToken } from "../store/tokens.ts";

let db: TestDatabase;
let http: TestHttpServer;
let clock: ManualClock;
const open: StreamClient[] = [];
beforeAll(async () => {
  db = await createTestDatabase();
  clock = new ManualClock();
  http = await startHttpServer(db.database, { clock });
});
afterAll(async () => {
  for (const client of open) client.close();
  await http?.close();
  await db?.drop();
});

const api = "/api/v1";
const bearer = (caller: TestCaller = http.caller): Headers => ({
  authorization: `Bearer ${caller.token}`,
});
const streamOf = (id: string, query = ""): string => `${http.url}${api}/chats/${id}/stream${query}`;

type Open = (url: string, headers?: Headers) => Promise<StreamClient>;
async function kept(opening: Promise<StreamClient>): Promise<StreamClient> {
  const client = await opening;
  open.push(client);
  return client;
}
const overWebSocket: Open = (url, headers) => kept(openWebSocket(url, headers));
const overEvents: Open = (url, headers) => kept(openEvents(url, headers));
const transports: [string, Open][] = [
  ["WebSocket", overWebSocket],
  ["Server-Sent Events", overEvents],
];

async function refusal(opening: Promise<StreamClient>): Promise<Refused> {
  const error = await opening.then(
    () => new Error("a stream was opened"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof Refused)) throw error;
  expect(error.contentType).toBe("application/problem+json");
  expect(error.body.status).toBe(error.status);
  return error;
}

/** The worker's part: a reply in pieces, then the commit. */
async function answer(id: string): Promise<void> {
  const { body } = await http.call("GET", `${api}/chats/${id}`);
  const { history_version, generation_attempt } = body;
  const key = { chat_id: id, history_version, generation_attempt };
  const writer = http.parts.open(key, "runner");
  for (const delta of ["Hel", "lo ", "there\n\nü"]) {
    writer.append({ type: "text", index: 0, delta });
  }
  await http.machine.update(id, async (bundle) => {
    await commitStep(bundle, { messages: [reply("Hello there\n\nü")] });
    await finishTurn(bundle);
  });
  http.parts.close(key);
}

test("both transports deliver the same events, and a chat's life is in them", async () => {
  const { id } = await chatIn(http.world, "R0");
  const [socket, events] = [
    await overWebSocket(streamOf(id), bearer()),
    await overEvents(streamOf(id), bearer()),
  ];
  await Promise.all([socket.has("ready"), events.has("ready")]);
  await answer(id);
  await http.call("POST", `${api}/chats/${id}/messages`, { body: { content: "more" } });
  await http.call("POST", `${api}/chats/${id}/messages`, { body: { content: "queued" } });
  await http.call("PATCH", `${api}/chats/${id}`, { body: { title: "titled" } });
  const titled = (client: StreamClient) =>
    client.until((all) => all.some((e) => e.type === "chat" && e.data.title === "titled"));
  await Promise.all([titled(socket), titled(events)]);

  const types = new Set(socket.events.map((event) => event.type));
  for (const type of [
    "history_reset",
    "message",
    "status",
    "message_part",
    "queue_update",
    "chat",
  ]) {
    expect(types).toContain(type);
  }
  expect(socket.events[0]?.type).toBe("history_reset");
  // Both were there when it happened, so what was coalesced for one was for the other.
  expect(events.events).toEqual(socket.events);
});

describe.each(transports)("over %s", (name, openStream) => {
  test("a cursor resumes after its event", async () => {
    const { id } = await chatIn(http.world, "R0");
    const first = await openStream(streamOf(id), bearer());
    await first.has("ready");
    const all = first.events.length;
    const [, second] = first.events;
    first.close();
    const resumed = await openStream(streamOf(id, `?cursor=${second?.cursor}`), bearer());
    await resumed.has("ready");
    expect(resumed.events.length).toBeLessThan(all);
    expect(resumed.events.some((event) => event.type === "history_reset")).toBe(false);
    expect(resumed.events).toEqual(first.events.slice(2));
  });

  test("Last-Event-ID wins over the cursor of the address", async () => {
    const { id } = await chatIn(http.world, "R0");
    const first = await openStream(streamOf(id), bearer());
    await first.has("ready");
    const last = first.events.at(-1)?.cursor ?? "";
    const headers = { ...bearer(), "last-event-id": last };
    const second = first.events[1]?.cursor ?? "";
    const resumed = await openStream(streamOf(id, `?cursor=${second}`), headers);
    await resumed.has("ready");
    expect(resumed.events.map((event) => event.type)).toEqual(["ready"]);
  });

  test("the list is a stream too", async () => {
    const owner = await http.newCaller();
    const client = await openStream(`${http.url}${api}/chats/watch`, bearer(owner));
    await client.has("ready");
    expect(client.events.map((event) => event.type)).toEqual(["list_reset", "ready"]);
    const { body } = await http.call("POST", `${api}/chats`, {
      as: owner,
      body: { content: "x" },
    });
    // The list waits a moment for more to come.
    while (!client.events.some((event) => event.type === "chat")) await clock.advance(100);
    expect(client.events.at(-1)?.data.id).toBe(body.chat.id);
  });

  test("what fails before the first byte is an ordinary problem", async () => {
    const { id } = await chatIn(http.world, "R0");
    const other = await chatIn(http.world, "R0");
    const stranger = await http.newCaller();
    const code = async (url: string, headers: Headers) =>
      (await refusal(openStream(url, headers))).body.code;
    expect(await code(streamOf(id), {})).toBe("unauthorized");
    expect(await code(streamOf(id), { authorization: "Bearer x" })).toBe("unauthorized");
    expect(await code(streamOf(id), bearer(stranger))).toBe("chat_not_found");
    expect(await code(streamOf("x"), bearer())).toBe("chat_not_found");
    expect(await code(streamOf(id, "?colour=red"), bearer())).toBe("invalid_request");
    expect(await code(streamOf(id, "?cursor=a&cursor=b"), bearer())).toBe("invalid_request");
    expect(await code(streamOf(id, `?cursor=${"x".repeat(5000)}`), bearer())).toBe(
      "invalid_request",
    );

    const elsewhere = await openStream(streamOf(other.id), bearer());
    await elsewhere.has("ready");
    const foreign = elsewhere.events[0]?.cursor ?? "";
    const forged = `${foreign.slice(0, -2)}${foreign.endsWith("A") ? "B" : "A"}`;
    expect(await code(streamOf(id, "?cursor=%00"), bearer())).toBe("invalid_request");
    for (const cursor of ["x", foreign, forged, foreign.slice(1)]) {
      expect(await code(streamOf(id, `?cursor=${cursor}`), bearer())).toBe("invalid_cursor");
    }
    const watch = `${http.url}${api}/chats/watch`;
    expect(await code(watch, {})).toBe("unauthorized");
    expect(await code(`${watch}?cursor=${foreign}`, bearer())).toBe("invalid_cursor");
  });

  describe("tickets", () => {
    const ticket = async (path: string, as = http.caller): Promise<string> => {
      const made = await http.call("POST", `${api}${path}`, { as });
      expect(made.status).toBe(201);
      expect(Date.parse(made.body.expires_at)).toBeGreaterThan(Date.now());
      return made.body.ticket;
    };

    test("open one stream, once", async () => {
      const { id } = await chatIn(http.world, "R0");
      const one = await ticket(`/chats/${id}/stream-tickets`);
      const client = await openStream(streamOf(id, `?ticket=${one}`));
      await client.has("ready");
      expect((await refusal(openStream(streamOf(id, `?ticket=${one}`)))).status).toBe(401);
    });

    test("are for their chat, and used up where they are shown elsewhere", async () => {
      const { id } = await chatIn(http.world, "R0");
      const other = await chatIn(http.world, "R0");
      const one = await ticket(`/chats/${id}/stream-tickets`);
      expect((await refusal(openStream(streamOf(other.id, `?ticket=${one}`)))).status).toBe(401);
      expect((await refusal(openStream(streamOf(id, `?ticket=${one}`)))).status).toBe(401);
      const two = await ticket(`/chats/${id}/stream-tickets`);
      const watch = `${http.url}${api}/chats/watch?ticket=`;
      expect((await refusal(openStream(watch + two))).status).toBe(401);
    });

    test("open the list", async () => {
      const one = await ticket("/stream-tickets");
      const client = await openStream(`${http.url}${api}/chats/watch?ticket=${one}`);
      await client.has("ready");
    });

    test("end after a minute", async () => {
      const { id } = await chatIn(http.world, "R0");
      const [one, two] = [
        await ticket(`/chats/${id}/stream-tickets`),
        await ticket(`/chats/${id}/stream-tickets`),
      ];
      await http.world.advance(59_000);
      await (await openStream(streamOf(id, `?ticket=${one}`))).has("ready");
      await http.world.advance(1_001);
      expect((await refusal(openStream(streamOf(id, `?ticket=${two}`)))).status).toBe(401);
    });

    test("end with their token", async () => {
      const owner = await http.newCaller();
      const { body } = await http.call("POST", `${api}/chats`, {
        as: owner,
        body: { content: "x" },
      });
      const one = await ticket(`/chats/${body.chat.id}/stream-tickets`, owner);
      await db.database.write((tx) => revokeToken(tx, owner.principalId, owner.tokenId));
      const error = await refusal(openStream(streamOf(body.chat.id, `?ticket=${one}`)));
      expect(error.status).toBe(401);
    });

    test("that are garbage are refused", async () => {
      const { id } = await chatIn(http.world, "R0");
      for (const bad of ["", "x", "x".repeat(500)]) {
        const error = await refusal(openStream(streamOf(id, `?ticket=${bad}`)));
        expect(error.status).toBe(401);
      }
    });
  });

  test("it shows that it lives", async () => {
    const { id } = await chatIn(http.world, "R0");
    const client = await openStream(streamOf(id), bearer());
    await client.has("ready");
    await clock.advance(15_000);
    if (name === "WebSocket") {
      await Promise.all([client.beat("ping"), client.beat("[]")]);
    } else {
      await client.beat("comment");
    }
    await clock.advance(15_000);
    await client.beat(name === "WebSocket" ? "[]" : "comment", 2);
  });

  const codeOf = (reason: keyof typeof streamCloses): number | string =>
    name === "WebSocket" ? streamCloses[reason].code : reason;

  test("it ends at once when its token is revoked, and within seconds when that happens elsewhere", async () => {
    const owner = await http.newCaller();
    const made = await http.call("POST", `${api}/tokens`, { as: owner, body: { name: "b" } });
    const second = { ...owner, token: made.body.secret as string };
    const { body } = await http.call("POST", `${api}/chats`, { as: owner, body: { content: "x" } });
    const [one, two] = [
      await openStream(streamOf(body.chat.id), bearer(second)),
      await openStream(streamOf(body.chat.id), bearer(owner)),
    ];
    await Promise.all([one.has("ready"), two.has("ready")]);
    await http.call("DELETE", `${api}/tokens/${made.body.token.id}`, { as: owner });
    expect(await one.ended).toBe(codeOf("forbidden"));

    await db.database.write((tx) => revokeToken(tx, owner.principalId, owner.tokenId));
    let ended = false;
    const over = two.ended.then((code) => {
      ended = true;
      return code;
    });
    while (!ended) await clock.advance(1_000);
    expect(await over).toBe(codeOf("forbidden"));
  });

  test("it ends with its chat", async () => {
    const { id } = await chatIn(http.world, "R0");
    const client = await openStream(streamOf(id), bearer());
    await client.has("ready");
    await http.call("DELETE", `${api}/chats/${id}`);
    expect(await client.ended).toBe(codeOf("chat_deleted"));
  });

  test("a client that leaves leaves nothing behind", async () => {
    const { id } = await chatIn(http.world, "R0");
    const before = http.streams.stats().subscribers;
    const client = await openStream(streamOf(id), bearer());
    await client.has("ready");
    expect(http.streams.stats().subscribers).toBe(before + 1);
    client.close();
    await vi.waitFor(() => expect(http.streams.stats().subscribers).toBe(before));
  });

  test("a server that drains opens none, and asks those that are open to come back when it closes", async () => {
    const other = await startHttpServer(db.database, { clock });
    const { body } = await other.call("POST", `${api}/chats`, { body: { content: "x" } });
    const url = `${other.url}${api}/chats/${body.chat.id}/stream`;
    const client = await openStream(url, bearer(other.caller));
    await client.has("ready");
    other.server.drain();
    const error = await refusal(openStream(url, bearer(other.caller)));
    expect([error.status, error.body.code]).toEqual([503, "draining"]);
    await other.close();
    expect(await client.ended).toBe(codeOf("reconnect"));
  });
});

describe("WebSockets", () => {
  test.each([
    ["text", "hello"],
    ["an empty frame", ""],
    ["bytes", Buffer.from([1, 2, 3])],
  ])("a client that says something is closed: %s", async (_what, frame) => {
    const { id } = await chatIn(http.world, "R0");
    const client = await overWebSocket(streamOf(id), bearer());
    (client as unknown as { socket: WebSocket }).socket.send(frame);
    expect(await client.ended).toBe(streamCloses.invalid_frame.code);
  });

  test("a frame beyond the limit is not even taken in", async () => {
    const { id } = await chatIn(http.world, "R0");
    const client = await overWebSocket(streamOf(id), bearer());
    (client as unknown as { socket: WebSocket }).socket.send("x".repeat(4 * 1024 * 1024 + 1));
    expect(await client.ended).toBe(1009);
  });

  test("a peer that answers no ping is cut off", async () => {
    const { id } = await chatIn(http.world, "R0");
    const before = http.streams.stats().subscribers;
    const socket = connect(http.port, "127.0.0.1");
    socket.write(
      `GET ${api}/chats/${id}/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n` +
        `Authorization: Bearer ${http.caller.token}\r\n\r\n`,
    );
    const closed = new Promise((resolve) => void socket.on("close", resolve));
    // A subscriber is counted before its stream stands: only then are there pings.
    await new Promise<void>((resolve) => {
      socket.on("data", (bytes) => {
        if (bytes.includes('"type":"ready"')) resolve();
      });
    });
    expect(http.streams.stats().subscribers).toBe(before + 1);
    for (let i = 0; i < 3; i++) await clock.advance(15_000);
    await closed;
    expect(http.streams.stats().subscribers).toBe(before);
  });

  test("a cookie opens one only for pages of this server", async () => {
    const { id } = await chatIn(http.world, "R0");
    const cookie = `parley_${http.port}=${http.caller.token}`;
    const client = await overWebSocket(streamOf(id), { cookie, origin: http.url });
    await client.has("ready");
    for (const headers of [{ cookie }, { cookie, origin: "https://evil.example" }] as Headers[]) {
      expect((await refusal(overWebSocket(streamOf(id), headers))).status).toBe(403);
    }
    // An EventSource of the same page sends no Origin: the browser keeps others from reading it.
    await (await overEvents(streamOf(id), { cookie })).has("ready");
  });

  test.each([
    [
      "no stream",
      "GET /nowhere HTTP/1.1",
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      404,
    ],
    ["no key", "GET /api/v1/chats/watch HTTP/1.1", "Sec-WebSocket-Version: 13", 400],
    [
      "an old version",
      "GET /api/v1/chats/watch HTTP/1.1",
      "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      400,
    ],
    [
      "another method",
      "POST /api/v1/chats/watch HTTP/1.1",
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      405,
    ],
    [
      "a bad address",
      "GET //[ HTTP/1.1",
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      404,
    ],
  ])("an upgrade with %s is answered", async (_what, line, handshake, status) => {
    const text = await new Promise<string>((resolve, reject) => {
      const socket = connect(http.port, "127.0.0.1");
      socket.write(
        `${line}\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${handshake}\r\n\r\n`,
      );
      let all = "";
      socket.on("data", (chunk) => (all += chunk.toString()));
      socket.on("close", () => resolve(all));
      socket.on("error", reject);
    });
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(text).toContain("application/problem+json");
  });
});

test("Server-Sent Events have to be asked for", async () => {
  const { id } = await chatIn(http.world, "R0");
  const headers = { ...bearer(), accept: "application/json" };
  const error = await refusal(overEvents(streamOf(id), headers));
  expect([error.status, error.body.code]).toEqual([406, "not_acceptable"]);
  const any = await overEvents(streamOf(id), { ...bearer(), accept: "*/*" });
  await any.has("ready");
});

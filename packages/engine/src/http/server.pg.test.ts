import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { chatIn } from "../../test/chat-in-state.ts";
import { startHttpServer, type TestHttpServer } from "../../test/http-server.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { openEvents, openWebSocket } from "../../test/stream-client.ts";
import type { Logger } from "../lib/logger.ts";
import type { EncodedEvent, Sink, Streams } from "../stream/ports.ts";
import { finishInterruption } from "../machine/transitions/finish-interruption.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => {
  await db?.drop();
});

const api = "/api/v1";

/** A server for one test. */
async function withServer(
  options: Parameters<typeof startHttpServer>[1],
  run: (http: TestHttpServer) => Promise<void>,
): Promise<void> {
  const http = await startHttpServer(db.database, options);
  try {
    await run(http);
  } finally {
    await http.close();
  }
}

describe("draining", () => {
  test("takes no new work, still reads, and still stops what runs", async () => {
    await withServer({}, async (http) => {
      const { id, turn } = await chatIn(http.world, "R1");
      http.server.drain();
      const path = `${api}/chats/${id}`;
      for (const [method, address, body] of [
        ["POST", `${api}/chats`, { content: "x" }],
        ["POST", `${path}/messages`, { content: "x" }],
        ["PATCH", `${path}/messages/${turn}`, { content: "x" }],
        ["POST", `${path}/retry`, {}],
        ["POST", `${path}/fork`, {}],
        ["POST", `${path}/queue/1/promote`, {}],
      ] as const) {
        const answer = await http.call(method, address, { body });
        expect([answer.status, answer.body.code]).toEqual([503, "draining"]);
        expect(answer.headers.get("retry-after")).toBe("1");
      }
      const ready = await http.call("GET", "/readyz", { as: null });
      expect([ready.status, ready.body.checks.draining]).toEqual([503, "draining"]);
      expect((await http.call("GET", path)).status).toBe(200);
      // Who would wait is told at once what there is.
      const stopped = await http.call("POST", `${path}/interrupt?wait=true`);
      expect(stopped.status).toBe(202);
      expect(stopped.body.chat.status).toBe("interrupting");
    });
  });

  test("lets who waits already go with what there is", async () => {
    await withServer({}, async (http) => {
      const { id } = await chatIn(http.world, "R0");
      const waiting = http.call("POST", `${api}/chats/${id}/interrupt?wait=true`);
      await vi.waitFor(() => expect(http.commits).toHaveLength(1));
      http.server.drain();
      expect((await waiting).status).toBe(202);
    });
  });
});

describe("closing", () => {
  test("lets requests under way end, and answers no more", async () => {
    const http = await startHttpServer(db.database);
    const { id } = await chatIn(http.world, "R0");
    const waiting = http.call("POST", `${api}/chats/${id}/interrupt?wait=true`);
    await vi.waitFor(() => expect(http.commits).toHaveLength(1));
    await http.machine.update(id, (bundle) => finishInterruption(bundle, { partial: [] }));
    const [answer] = await Promise.all([waiting, http.close()]);
    expect(answer.status).toBe(200);
    await expect(http.call("GET", "/healthz")).rejects.toThrow("fetch failed");
    await http.close();
  });
});

test("an address that is taken is an error of the system", async () => {
  await withServer({}, async (http) => {
    const taken = startHttpServer(db.database, { port: http.port });
    await expect(taken).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});

test("the log never holds a token, a ticket or what was said", async () => {
  const lines: string[] = [];
  const log = (fields: object, message: string): void => {
    lines.push(JSON.stringify(fields) + message);
  };
  const logger: Logger = { debug: log, info: log, warn: log, error: log, child: () => logger };
  await withServer({ logger }, async (http) => {
    const { token } = http.caller;
    await http.call("GET", `/?token=${token}`, { as: null });
    await http.call("GET", `/nowhere?token=${token}`, { as: null });
    await http.call("GET", `/?token=${token}&x=1`, { as: null });
    await http.call("POST", `${api}/chats`, { body: { content: "a secret wish" } });
    await http.call("POST", `${api}/chats`, { raw: `{"content": "a secret wish` });
    const { body } = await http.call("POST", `${api}/tokens`, { body: { name: "x" } });
    const { id } = await chatIn(http.world, "R0");
    const ticket = (await http.call("POST", `${api}/chats/${id}/stream-tickets`)).body.ticket;
    const client = await openWebSocket(`${http.url}${api}/chats/${id}/stream?ticket=${ticket}`);
    await client.has("ready");
    client.close();
    await openWebSocket(`${http.url}${api}/chats/${id}/stream?ticket=${ticket}`).catch(() => {});
    const text = lines.join("\n");
    expect(lines.length).toBeGreaterThan(8);
    for (const secret of [token, body.secret, ticket, "secret wish"]) {
      expect(text).not.toContain(secret);
    }
    expect(text).toContain(`"route":"/api/v1/chats"`);
    expect(text).toContain(http.caller.principalId);
  });
});

test("a WebSocket whose client leaves while it is being opened is no failure of the server", async () => {
  const lines: { level: string; fields: Record<string, unknown> }[] = [];
  const log =
    (level: string) =>
    (fields: Record<string, unknown>): void =>
      void lines.push({ level, fields });
  const logger: Logger = {
    debug: log("debug"),
    info: log("info"),
    warn: log("warn"),
    error: log("error"),
    child: () => logger,
  };
  const opening = Promise.withResolvers<void>();
  const streams: Streams = {
    open: async ({ signal }) => {
      opening.resolve();
      return await new Promise((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason as Error));
      });
    },
  };
  await withServer({ logger, streams }, async (http) => {
    const { id } = await chatIn(http.world, "R0");
    const socket = connect(http.port, "127.0.0.1").on("error", () => {});
    socket.write(
      [
        `GET ${api}/chats/${id}/stream HTTP/1.1`,
        "Host: parley",
        `Authorization: Bearer ${http.caller.token}`,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        `Sec-WebSocket-Key: ${Buffer.alloc(16).toString("base64")}`,
        "\r\n",
      ].join("\r\n"),
    );
    await opening.promise;
    socket.resetAndDestroy();
    await vi.waitFor(() =>
      expect(lines).toContainEqual({
        level: "info",
        fields: expect.objectContaining({ route: "websocket upgrade", status: 499 }),
      }),
    );
    expect(lines.filter(({ level }) => level === "error")).toEqual([]);
  });
});

test("every answer carries the request's id, and one that a client brings is kept", async () => {
  await withServer({}, async (http) => {
    const given = await http.call("GET", "/healthz", { headers: { "x-request-id": "mine-1" } });
    expect(given.headers.get("x-request-id")).toBe("mine-1");
    for (const bad of ["with space", "x".repeat(65), "<script>"]) {
      const answer = await http.call("GET", "/healthz", { headers: { "x-request-id": bad } });
      expect(answer.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    }
    expect(given.headers.get("x-content-type-options")).toBe("nosniff");
    expect(given.headers.get("cache-control")).toBe("no-store");
    expect(given.headers.get("access-control-allow-origin")).toBe(null);
  });
});

/** A subscription that a test drives by hand. */
function scripted(): { streams: Streams; sink: () => Sink; drained: () => number } {
  let sink: Sink | undefined;
  let drained = 0;
  return {
    streams: {
      open: (request) => {
        sink = request.sink;
        return Promise.resolve({ drained: () => void drained++, close: () => {} });
      },
    },
    sink: () => {
      if (sink === undefined) throw new Error("no stream was opened");
      return sink;
    },
    drained: () => drained,
  };
}

const large = (n: number): EncodedEvent => {
  const data = JSON.stringify({ n, text: "x".repeat(100_000) });
  return {
    type: "message",
    cursor: `c${n}`,
    isPlain: false,
    json: () => `{"type":"message","cursor":"c${n}","data":${data}}`,
    dataJson: () => data,
  };
};

test.each([
  ["a WebSocket", openWebSocket],
  ["Server-Sent Events", openEvents],
])(
  "%s: a client that does not read is felt, and nothing of what was taken is lost",
  async (_name, open) => {
    const script = scripted();
    await withServer({ streams: script.streams }, async (http) => {
      const { id } = await chatIn(http.world, "R0");
      const client = await open(`${http.url}${api}/chats/${id}/stream`, {
        authorization: `Bearer ${http.caller.token}`,
      });
      let sent = 0;
      // Written faster than any client reads: at some point the socket is full.
      while (script.sink().write([large(sent++)])) if (sent > 10_000) break;
      expect(sent).toBeLessThan(10_000);
      await client.until((events) => events.length === sent);
      expect(client.events.map((event) => event.data.n)).toEqual([...Array(sent).keys()]);
      await vi.waitFor(() => expect(script.drained()).toBe(1));
      script.sink().close("slow_consumer");
      expect(["slow_consumer", 4001]).toContain(await client.ended);
    });
  },
);

import { once } from "node:events";
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { createConnection, type AddressInfo, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { eventually, within } from "../../../test/eventually.ts";
import { systemClock } from "../../lib/clock.ts";
import { Front, type FrontOptions } from "./front.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

interface Tiny {
  readonly port: number;
  /** What `/readyz` says; null: nothing. */
  ready: number | null;
  readonly asked: string[];
  kill(): Promise<void>;
  readonly server: ReturnType<typeof createServer>;
}

/** A stand-in for a replica: says its name, or what the handler makes of it. */
async function tiny(name: string, handler?: Handler): Promise<Tiny> {
  const sockets = new Set<Socket>();
  const server = createServer((incoming, response) => {
    if (incoming.url === "/readyz") {
      if (self.ready !== null) response.writeHead(self.ready).end();
      return;
    }
    self.asked.push(`${incoming.method} ${incoming.url}`);
    if (handler) handler(incoming, response);
    else response.end(name);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const self: Tiny = {
    port: (server.address() as AddressInfo).port,
    ready: 200,
    asked: [],
    server,
    async kill() {
      for (const socket of sockets) socket.resetAndDestroy();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
  cleanUps.push(() => self.kill());
  return self;
}

async function front(
  servers: readonly Tiny[],
  options: Partial<FrontOptions> = {},
): Promise<{ front: Front; port: number; url: string }> {
  const made = new Front({ clock: systemClock, ...options });
  for (const [index, { port }] of servers.entries()) {
    made.add({ name: String(index + 1), host: "127.0.0.1", port });
  }
  const port = await made.listen("127.0.0.1", 0);
  cleanUps.push(() => made.close());
  return { front: made, port, url: `http://127.0.0.1:${port}` };
}

const get = async (url: string): Promise<string> => await (await fetch(url)).text();

test("requests go round, also over one kept connection", async () => {
  const { url } = await front([await tiny("a"), await tiny("b"), await tiny("c")]);
  const said: string[] = [];
  for (let i = 0; i < 6; i++) said.push(await get(url));
  expect(said).toEqual(["a", "b", "c", "a", "b", "c"]);
});

test("body, query, status and headers pass both ways", async () => {
  const replica = await tiny("a", (incoming, response) => {
    void text(incoming).then((body) => {
      response.writeHead(
        201,
        "Made",
        [
          ["x-seen", incoming.headers["x-own"] ?? "none"],
          ["x-forwarded", incoming.headers["x-forwarded-for"] as string],
          ["x-host", incoming.headers.host as string],
          ["set-cookie", "a=1"],
          ["set-cookie", "b=2"],
        ].flat(),
      );
      response.end(`${incoming.method} ${incoming.url} ${body.length}`);
    });
  });
  const { url, port } = await front([replica]);
  const body = "x".repeat(1_000_000);
  const answer = await fetch(`${url}/p?q=1`, {
    method: "POST",
    body,
    headers: { "x-own": "yes", "x-forwarded-for": "10.1.1.1" },
  });
  expect(answer.status).toBe(201);
  expect(answer.statusText).toBe("Made");
  expect(await answer.text()).toBe("POST /p?q=1 1000000");
  expect(answer.headers.get("x-seen")).toBe("yes");
  expect(answer.headers.get("x-forwarded")).toBe("127.0.0.1");
  expect(answer.headers.get("x-host")).toBe(`127.0.0.1:${port}`);
  expect(answer.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
  const head = await fetch(`${url}/h`, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([201, ""]);
});

test("a body of unknown length, and one that is answered before it was read", async () => {
  const replica = await tiny("a", (incoming, response) => {
    if (incoming.url === "/early") response.writeHead(413).end("too much");
    else void text(incoming).then((body) => response.end(body));
  });
  const { url } = await front([replica]);
  const chunks = new ReadableStream({
    start(controller) {
      for (const part of ["one ", "two"]) controller.enqueue(new TextEncoder().encode(part));
      controller.close();
    },
  });
  const echoed = await fetch(url, { method: "POST", body: chunks, duplex: "half" });
  expect(await echoed.text()).toBe("one two");
  const early = await fetch(`${url}/early`, { method: "POST", body: "y".repeat(64 * 1024) });
  expect([early.status, await early.text()]).toEqual([413, "too much"]);
  expect(await get(url)).toBe("");
});

test("a dead replica is passed over, whatever the method, and nobody is asked twice", async () => {
  const dead = await tiny("dead");
  await dead.kill();
  const alive = await tiny("alive");
  const { url } = await front([dead, alive]);
  for (let i = 0; i < 4; i++) {
    const answer = await fetch(url, { method: "POST", body: "{}" });
    expect(await answer.text()).toBe("alive");
  }
  expect(alive.asked).toHaveLength(4);
});

test("one that drains is asked only when there is no other", async () => {
  const seen: string[] = [];
  const [a, b] = [await tiny("a"), await tiny("b")];
  const { url } = await front([a, b], {
    onHealth: (name, health) => seen.push(`${name} ${health}`),
  });
  a.ready = 503;
  await eventually("it is seen", () => seen.includes("1 unready"));
  expect([await get(url), await get(url), await get(url)]).toEqual(["b", "b", "b"]);
  await b.kill();
  expect(await get(url)).toBe("a");
  a.ready = 200;
  await eventually("it is seen", () => seen.includes("1 ready"));
});

test("one that hangs loses its streams and gets no more requests until it answers again", async () => {
  const seen: string[] = [];
  const [a, b] = [
    await tiny("a", (incoming, response) => {
      if (incoming.url === "/stream") response.write("begun");
      else response.end("a");
    }),
    await tiny("b"),
  ];
  const { url } = await front([a, b], {
    onHealth: (name, health) => seen.push(`${name} ${health}`),
  });
  const stream = await fetch(`${url}/stream`);
  const ended = stream.text();
  void ended.catch(() => {});
  a.ready = null;
  await eventually("it is seen", () => seen.includes("1 silent"));
  await expect(within("the stream is cut", ended)).rejects.toThrow("terminated");
  expect([await get(url), await get(url), await get(url)]).toEqual(["b", "b", "b"]);
  a.ready = 200;
  await eventually("it is back", () => seen.includes("1 ready"));
  expect(new Set([await get(url), await get(url)])).toEqual(new Set(["a", "b"]));
});

test("with nobody there it says so, in a way that clients try again", async () => {
  const { url, port } = await front([]);
  const answer = await fetch(url);
  expect(answer.status).toBe(503);
  expect(answer.headers.get("retry-after")).toBe("1");
  const socket = new WebSocket(`ws://127.0.0.1:${port}/stream`);
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
  expect(response.statusCode).toBe(503);
});

test("events are passed on one by one, the head before the first", async () => {
  let stream: ServerResponse | undefined;
  const replica = await tiny("a", (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    stream = response;
  });
  const { url } = await front([replica]);
  const answer = await within("the head", fetch(url));
  expect(answer.headers.get("content-type")).toBe("text/event-stream");
  const reader = answer.body!.getReader();
  for (const event of ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"]) {
    stream?.write(event);
    const { value } = await within("the event", reader.read());
    expect(new TextDecoder().decode(value as Uint8Array)).toBe(event);
  }
  await reader.cancel();
});

test("a client that leaves takes its request at the replica along", async () => {
  const left = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const replica = await tiny("a", (_, response) => {
    response.once("close", () => left.resolve());
    arrived.resolve();
  });
  const { url } = await front([replica]);
  const asking = request(url);
  asking.on("error", () => {});
  asking.end();
  await within("the request arrives", arrived.promise);
  asking.destroy();
  await within("the replica sees it", left.promise);
});

test("a replica that dies in the middle of an answer cuts it; before one, too", async () => {
  const replica = await tiny("a", (incoming, response) => {
    if (incoming.url === "/half") response.write("half");
    setImmediate(() => void replica.kill());
  });
  const { url } = await front([replica]);
  const half = await fetch(`${url}/half`);
  await expect(half.text()).rejects.toThrow("terminated");
  const again = await tiny("b", () => void again.kill());
  const other = await front([again]);
  await expect(fetch(other.url)).rejects.toThrow("fetch failed");
});

/** A replica that speaks WebSocket: sends back what it is sent. */
async function echo(name: string): Promise<Tiny & { readonly sockets: WebSocketServer }> {
  const replica = await tiny(name);
  const sockets = new WebSocketServer({ noServer: true });
  replica.server.on("upgrade", (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
    if (incoming.url === "/refused") {
      socket.end("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
      return;
    }
    sockets.handleUpgrade(incoming, socket, head, (ws) => {
      ws.send(`${name} ${incoming.headers["x-forwarded-for"] as string}`);
      ws.on("message", (data: Buffer) => ws.send(data.toString()));
    });
  });
  return Object.assign(replica, { sockets });
}

async function nextMessage(socket: WebSocket): Promise<string> {
  const [data] = (await once(socket, "message")) as [Buffer];
  return data.toString();
}

test("an upgrade passes, goes round, and passes over the dead", async () => {
  const dead = await tiny("dead");
  await dead.kill();
  const { port } = await front([await echo("a"), dead, await echo("c")]);
  const greetings: string[] = [];
  for (let i = 0; i < 3; i++) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/stream`);
    greetings.push(await within("the greeting", nextMessage(socket)));
    socket.send("and back");
    expect(await within("the echo", nextMessage(socket))).toBe("and back");
    socket.close(1000);
    await within("the goodbye", once(socket, "close"));
  }
  expect(greetings).toEqual(["a 127.0.0.1", "c 127.0.0.1", "c 127.0.0.1"]);
});

test("an upgrade that is refused is refused in the replica's words", async () => {
  const { port } = await front([await echo("a")]);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/refused`);
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
  expect(response.statusCode).toBe(401);
});

test("WebSockets are cut when their replica dies, and the replica learns when a client leaves", async () => {
  const replica = await echo("a");
  const made = await front([replica]);
  const first = new WebSocket(`ws://127.0.0.1:${made.port}/stream`);
  await nextMessage(first);
  const [served] = replica.sockets.clients;
  first.terminate();
  await within("the replica learns", once(served!, "close"));

  const second = new WebSocket(`ws://127.0.0.1:${made.port}/stream`);
  await nextMessage(second);
  const closed = once(second, "close");
  made.front.remove("1");
  expect((await within("the client learns", closed))[0]).toBe(1006);
});

test("what is no HTTP harms nobody", async () => {
  const { port, url } = await front([await tiny("a")]);
  const socket = createConnection(port, "127.0.0.1");
  socket.on("error", () => {}).resume();
  socket.write("\u0000\u0001 nonsense\r\n\r\n");
  await once(socket, "close");
  expect(await get(url)).toBe("a");
});

test("closing cuts what is open", async () => {
  const { front: made, url, port } = await front([await echo("a"), await tiny("b", () => {})]);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/stream`);
  await nextMessage(socket);
  const waiting = fetch(url);
  void waiting.catch(() => {});
  const closed = once(socket, "close");
  await within("it closes", made.close());
  await within("the WebSocket is cut", closed);
  await expect(waiting).rejects.toThrow("fetch failed");
});

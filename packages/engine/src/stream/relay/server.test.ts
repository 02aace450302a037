import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { certificateAuthority, certificateFor } from "../../../test/certificates.ts";
import { episode, Recorder, testSecret, text } from "../../../test/relay-network.ts";
import { systemClock } from "../../lib/clock.ts";
import { silentLogger, type Logger } from "../../lib/logger.ts";
import { systemRandom } from "../../lib/random.ts";
import { PartBuffer } from "../../parts/part-buffer.ts";
import { nextTurn } from "../turn.ts";
import { PeerSecret } from "./credentials.ts";
import { RelayLinks } from "./links.ts";
import { behindBytes, gatheredBytesMax } from "./outbox.ts";
import { RelayServer } from "./server.ts";
import { WebSocketTransport, type RelayTls } from "./web-socket.ts";
import { encodeFollow, encodeFrame, encodeMessage, frameBytesMax } from "./wire.ts";

const clock = systemClock;
const random = systemRandom(clock);
const key = episode("chat");
const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

interface Settings {
  secret?: string | null;
  tls?: RelayTls | null;
  port?: number;
  id?: string;
}

async function owner(
  settings: Settings = {},
): Promise<{ server: RelayServer; buffer: PartBuffer; url: string }> {
  const { secret = testSecret, tls = null, port = 0, id = "owner" } = settings;
  const buffer = new PartBuffer({ clock, logger: silentLogger });
  const server = new RelayServer({
    host: "127.0.0.1",
    port,
    tls,
    secret: secret === null ? null : new PeerSecret(secret),
    workerId: () => id,
    episodes: buffer,
    clock,
    logger: silentLogger,
    turn: nextTurn,
  });
  const bound = await server.listen();
  cleanUps.push(
    () => server.stop(),
    () => buffer.stop(),
  );
  return { server, buffer, url: `${tls ? "wss" : "ws"}://127.0.0.1:${bound}` };
}

/** Links that dial this URL, and the code of the next failure. */
function follower(
  url: string,
  settings: Settings = {},
): { links: RelayLinks; failure: Promise<unknown> } {
  const { secret = testSecret, tls = null } = settings;
  const { promise: failure, resolve } = Promise.withResolvers<unknown>();
  const logger: Logger = {
    ...silentLogger,
    warn: ({ code }) => resolve(code),
    child: () => logger,
  };
  const links = new RelayLinks({
    workerId: () => "follower",
    directory: { relayUrl: () => Promise.resolve(url) },
    transport: new WebSocketTransport(tls),
    secret: secret === null ? null : new PeerSecret(secret),
    recheck: () => Promise.resolve(),
    clock,
    random,
    logger,
    turn: nextTurn,
  });
  cleanUps.push(() => links.stop());
  return { links, failure };
}

describe("over real sockets", () => {
  it("parts arrive, small and large, and a restart of the owner's process is noticed", async () => {
    const { server, buffer, url } = await owner();
    const { links, failure } = follower(url);
    const writer = buffer.open(key, "runner");
    writer.append(text("z".repeat(1_000_000)));
    const seen = new Recorder();
    const following = links.follow("owner", key, 1, seen);
    await seen.until(({ seq }) => seq === 1);
    for (let i = 0; i < 1_000; i++) writer.append(text("é"));
    await seen.until(({ seq }) => seq === 1_001);
    expect(following.view()).toEqual(buffer.read(key));
    expect(server.stats()).toMatchObject({ links: 1, follows: 1 });
    const { port } = new URL(url);
    await server.stop();
    expect(await failure).toBe("relay_stopped");
    const next = await owner({ port: Number(port), id: "another" });
    const again = follower(next.url);
    again.links.follow("owner", key, 1, new Recorder());
    expect(await again.failure).toBe("relay_wrong_worker");
    writer.close();
  });

  it("nothing listens where nobody is, and two cannot have one port", async () => {
    const { server, url } = await owner();
    await expect(owner({ port: Number(new URL(url).port) })).rejects.toMatchObject({
      code: "EADDRINUSE",
    });
    await server.stop();
    const { links, failure } = follower(url);
    links.follow("owner", key, 1, new Recorder());
    expect(await failure).toBe("relay_unreachable");
    const odd = follower("not a url");
    odd.links.follow("owner", key, 1, new Recorder());
    expect(await odd.failure).toBe("relay_bad_address");
  });

  it("a peer that does not read costs bounded memory, and gets a snapshot in the end", async () => {
    const { server, buffer, url } = await owner();
    const { socket, frames } = await rawPeer(url);
    const writers = Array.from({ length: 40 }, (_, i) =>
      buffer.open(episode(`chat ${i}`), "runner"),
    );
    socket.send(encodeFrame(writers.map((_, i) => encodeFollow(i + 1, episode(`chat ${i}`), 1))));
    while (server.stats().follows < writers.length) await turn();
    socket.pause();
    // Far more than what the two kernels hold between them.
    for (let i = 0; i < 900; i++) {
      for (const writer of writers) writer.append(text("w".repeat(1_000)));
      await turn();
      expect(server.stats().backlogBytes).toBeLessThan(gatheredBytesMax + behindBytes);
    }
    expect(server.stats().coalesced).toBe(writers.length);
    socket.resume();
    const ends = new Map<number, number>();
    for await (const message of frames) {
      if (message.kind === "parts")
        ends.set(message.stream, message.first_seq + message.parts.length - 1);
      if (message.kind === "snapshot") ends.set(message.stream, message.seq);
      if ([...ends.values()].filter((seq) => seq === 900).length === writers.length) break;
    }
    expect(ends.size).toBe(writers.length);
  });
});

describe("without the secret", () => {
  const upgrade = (more = ""): string =>
    `GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n` +
    `sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${more}\r\n`;
  const stranger = new PeerSecret("another secret, as long as the real one");

  it.each([
    ["a request", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"],
    [
      "a request for anything",
      "POST /api/v1/chats HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc",
    ],
    ["a request with an expectation", "GET / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\r\n"],
    ["a request with an odd expectation", "GET / HTTP/1.1\r\nhost: x\r\nexpect: wonders\r\n\r\n"],
    ["a tunnel", "CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n"],
    ["an upgrade", upgrade()],
    [
      "an upgrade with the wrong secret",
      upgrade(`authorization: ${stranger.headerOf(stranger.newCredential("owner", random))}\r\n`),
    ],
    ["an upgrade with the bare secret", upgrade(`authorization: Bearer ${testSecret}\r\n`)],
  ])("%s gets a bare 404 and the end", async (_what, request) => {
    const { url, server } = await owner();
    const answer = await ask(url, request);
    expect(answer).toBe("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    expect(server.stats().links).toBe(0);
  });

  it("what is no HTTP gets the end and nothing else", async () => {
    const { url } = await owner();
    expect(await ask(url, "\0\u0001garbage\r\n\r\n")).toBe("");
  });

  it("a follower of another secret is refused, and the secret is on no wire", async () => {
    const { url } = await owner();
    const { links, failure } = follower(url, { secret: "another secret, as long as the real one" });
    links.follow("owner", key, 1, new Recorder());
    expect(await failure).toBe("relay_refused");
  });

  it("nor certificates no server is made", () => {
    expect(() => new RelayServer({ secret: null, tls: null } as never)).toThrow(
      /secret, certificates/,
    );
  });
});

describe("a peer that breaks the rules", () => {
  it.each([
    ["garbage", (socket: WebSocket) => socket.send("garbage"), 1006],
    ["a binary frame", (socket: WebSocket) => socket.send(Buffer.from([1])), 1006],
    [
      "parts of its own",
      (socket: WebSocket) => socket.send('[{"kind":"closed","stream":1}]'),
      1006,
    ],
    [
      "the same stream twice",
      (socket: WebSocket) => {
        const follow = encodeFollow(1, key, 1);
        socket.send(encodeFrame([follow, follow]));
      },
      1006,
    ],
    [
      "a version of the far future",
      (socket: WebSocket) => socket.send('[{"kind":"hello","protocol_version":9,"worker_id":"x"}]'),
      4426,
    ],
    [
      "a frame that is too large",
      (socket: WebSocket) => socket.send("x".repeat(frameBytesMax + 1)),
      1009,
    ],
  ])("by %s loses its link, and nobody else does", async (_what, misbehave, closeCode) => {
    const { buffer, server, url } = await owner();
    const { links } = follower(url);
    const seen = new Recorder();
    links.follow("owner", key, 1, seen);
    const { socket } = await rawPeer(url);
    misbehave(socket);
    const [code] = (await once(socket, "close")) as [number];
    expect(code).toBe(closeCode);
    while (server.stats().links > 1) await turn();
    buffer.open(key, "runner").append(text("fine"));
    await seen.until(({ seq }) => seq === 1);
    expect(links.stats().dials).toBe(1);
  });

  it("by asking before it greets", async () => {
    const { url } = await owner();
    const { socket } = await rawPeer(url, { greet: false });
    socket.send(encodeFrame([encodeFollow(1, key, 1)]));
    await once(socket, "close");
  });
});

describe("with certificates", () => {
  const authority = certificateAuthority("relay authority");
  const of = (name: string, by = authority, serverName?: string): RelayTls => ({
    ca: authority.cert,
    ...certificateFor(name, by),
    ...(serverName !== undefined && { serverName }),
  });

  it.each([null, testSecret])("both sides know each other (secret: %s)", async (secret) => {
    const { buffer, url } = await owner({ tls: of("replica"), secret });
    const seen = new Recorder();
    follower(url, { tls: of("other replica"), secret }).links.follow("owner", key, 1, seen);
    buffer.open(key, "runner").append(text("private"));
    await seen.until(({ text: said }) => said === "private");
  });

  it("peers may be known by a name that is not their address", async () => {
    const { buffer, url } = await owner({ tls: of("replica"), secret: null });
    const seen = new Recorder();
    const named = of("replica", authority, "replica");
    follower(url, { tls: named, secret: null }).links.follow("owner", key, 1, seen);
    buffer.open(key, "runner").append(text("named"));
    await seen.until(({ text: said }) => said === "named");
    const misnamed = follower(url, { tls: of("replica", authority, "somebody"), secret: null });
    misnamed.links.follow("owner", key, 1, new Recorder());
    expect(await misnamed.failure).toBe("relay_unreachable");
  });

  it("one of another authority is refused, on either side", async () => {
    const strangers = certificateAuthority("relay authority");
    const stranger: RelayTls = { ...of("replica", strangers), ca: authority.cert };
    const { server, url } = await owner({ tls: of("replica"), secret: null });
    const dialling = follower(url, { tls: stranger, secret: null });
    dialling.links.follow("owner", key, 1, new Recorder());
    expect(await dialling.failure).toBe("relay_unreachable");
    expect(server.stats().links).toBe(0);
    const impostor = await owner({ tls: stranger, secret: null });
    const dialled = follower(impostor.url, { tls: of("replica"), secret: null });
    dialled.links.follow("owner", key, 1, new Recorder());
    expect(await dialled.failure).toBe("relay_unreachable");
  });

  it("one is needed: without it nothing is said", async () => {
    const { server, url } = await owner({ tls: of("replica"), secret: testSecret });
    const socket = connectTls({
      port: Number(new URL(url).port),
      host: "127.0.0.1",
      ca: authority.cert,
    });
    let said = "";
    socket.on("data", (data) => (said += data.toString()));
    socket.on("error", () => {});
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await new Promise((resolve) => socket.on("close", resolve));
    expect(said).toBe("");
    expect(await ask(url, "GET / HTTP/1.1\r\nhost: x\r\n\r\n")).toBe("");
    expect(server.stats().links).toBe(0);
  });

  it("an address without TLS is not dialled, and none is dialled without any proof", async () => {
    const plain = follower("ws://127.0.0.1:1", { tls: of("replica") });
    plain.links.follow("owner", key, 1, new Recorder());
    expect(await plain.failure).toBe("relay_bad_address");
    const bare = follower("wss://127.0.0.1:1", { secret: null });
    bare.links.follow("owner", key, 1, new Recorder());
    expect(await bare.failure).toBe("relay_bad_address");
  });
});

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** Sends bytes, and gives all that comes back until the connection ends. */
async function ask(url: string, bytes: string): Promise<string> {
  const socket = connectTcp({ port: Number(new URL(url).port), host: "127.0.0.1" });
  let answer = "";
  socket.on("data", (data) => (answer += data.toString()));
  socket.on("error", () => {});
  socket.write(bytes);
  await new Promise((resolve) => socket.on("close", resolve));
  return answer;
}

interface RawMessage {
  kind: string;
  stream: number;
  seq: number;
  first_seq: number;
  parts: unknown[];
}

/** A peer that has been let in, under the test's control. */
async function rawPeer(
  url: string,
  { greet = true } = {},
): Promise<{ socket: WebSocket; frames: AsyncIterable<RawMessage> }> {
  const secret = new PeerSecret(testSecret);
  const authorization = secret.headerOf(secret.newCredential("owner", random));
  const socket = new WebSocket(url, { headers: { authorization }, perMessageDeflate: false });
  cleanUps.push(() => socket.terminate());
  const frames = messagesOf(socket);
  await once(socket, "open");
  socket.on("error", () => {});
  const hello = encodeMessage({ kind: "hello", protocol_version: 1, worker_id: "raw" });
  if (greet) socket.send(encodeFrame([hello]));
  return { socket, frames };
}

async function* messagesOf(socket: WebSocket): AsyncIterable<RawMessage> {
  const waiting: RawMessage[] = [];
  let wake = (): void => {};
  socket.on("message", (data: Buffer) => {
    waiting.push(...(JSON.parse(data.toString()) as RawMessage[]));
    wake();
  });
  for (;;) {
    const message = waiting.shift();
    if (message) yield message;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
}

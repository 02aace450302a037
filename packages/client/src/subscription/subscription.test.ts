import type { ChatEvent } from "@parley/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  chatId,
  delta,
  episode,
  historyReset,
  ready,
  said,
  withCursors,
} from "../../test/events.ts";
import { ManualRuntime } from "../../test/manual-runtime.ts";
import { json, problem, startStreamServer, type StreamServer } from "../../test/stream-server.ts";
import { createClient } from "../client.ts";
import { applyEvent, emptyTranscript } from "../transcript.ts";
import type { Connection, StreamLimits, SubscribeOptions } from "./options.ts";
import { systemWebSockets } from "./websocket-adapter.ts";

let server: StreamServer;
let runtime: ManualRuntime;
let connections: Connection[];

beforeEach(async () => {
  server = await startStreamServer();
  runtime = new ManualRuntime();
  connections = [];
});
afterEach(() => server.close());

function subscribe(options: SubscribeOptions = {}, limits: Partial<StreamLimits> = {}) {
  const client = createClient({ baseUrl: server.baseUrl, token: "secret", runtime }, limits);
  return client.subscribe(chatId, { onConnection: (c) => connections.push(c), ...options });
}

/** Reads by hand, one event at a time. */
function reader<E>(events: AsyncIterable<E>) {
  const iterator = events[Symbol.asyncIterator]();
  const next = () => iterator.next();
  return {
    next,
    async take(count: number): Promise<E[]> {
      const taken: E[] = [];
      while (taken.length < count) {
        const { value, done } = await next();
        if (done) break;
        taken.push(value);
      }
      return taken;
    },
    stop: () => iterator.return?.(),
  };
}

const log = withCursors([historyReset(), said(1, 1), said(2, 2), ready, said(3, 3), said(4, 4)]);
const resumable = { code: 4000, name: "reconnect" };

describe.each(["websocket", "sse"] as const)("over %s", (transport) => {
  it("delivers events and says who asks", async () => {
    const read = reader(subscribe({ transport, cursor: "c0" }));
    const events = read.take(3);
    const stream = await server.stream();
    expect(stream.transport).toBe(transport);
    expect(stream.url.pathname).toBe(`/api/v1/chats/${chatId}/stream`);
    expect(stream.url.searchParams.get("cursor")).toBe("c0");
    expect(stream.headers.authorization).toBe("Bearer secret");
    stream.send(log.slice(0, 2));
    stream.send(log.slice(2, 3));
    expect(await events).toEqual(log.slice(0, 3));
    await read.stop();
    await stream.closed;
    expect(runtime.labels()).toEqual([]);
  });

  it.each([
    ["cut", undefined],
    ["closed for a deploy", resumable],
    ["closed for being slow", { code: 4001, name: "slow_consumer" }],
  ])("comes back with its cursor when it is %s", async (_, end) => {
    const read = reader(subscribe({ transport }));
    const events = read.take(4);
    const first = await server.stream();
    expect(first.url.searchParams.get("cursor")).toBe(null);
    first.send(log.slice(0, 4));
    expect(await events).toEqual(log.slice(0, 4));
    const rest = read.take(2);
    first.end(end);
    expect(await runtime.fire("stream reconnect")).toBe(250);
    const second = await server.stream();
    expect(second.url.searchParams.get("cursor")).toBe("c4");
    second.send(log.slice(4));
    expect(await rest).toEqual(log.slice(4));
    expect(connections.map((c) => c.phase)).toEqual([
      "connecting",
      "open",
      "waiting",
      "connecting",
      "open",
    ]);
    await read.stop();
  });

  it.each(["forbidden", "chat_deleted"] as const)("ends for good with %s", async (reason) => {
    const read = reader(subscribe({ transport }));
    const first = read.take(1);
    const stream = await server.stream();
    stream.send(log.slice(0, 1));
    stream.end({ code: reason === "forbidden" ? 4003 : 4004, name: reason });
    await first;
    await expect(read.next()).rejects.toMatchObject({ name: "StreamEndedError", reason });
    expect(connections.at(-1)).toMatchObject({ phase: "ended" });
  });

  it.each([
    [401, "unauthorized"],
    [404, "chat_not_found"],
  ])("ends with the server's error when it is refused with %i", async (status, code) => {
    server.onRequest = (_, response) => problem(response, status, code);
    await expect(reader(subscribe({ transport })).next()).rejects.toMatchObject({ status, code });
  });

  it("begins anew where its cursor is not taken", async () => {
    server.onRequest = (request, response) =>
      request.url!.includes("cursor=bad") && problem(response, 400, "invalid_cursor");
    const read = reader(subscribe({ transport, cursor: "bad" }));
    const events = read.take(1);
    const stream = await server.stream();
    expect(stream.url.searchParams.get("cursor")).toBe(null);
    stream.send(log.slice(0, 1));
    expect(await events).toEqual(log.slice(0, 1));
    await read.stop();
  });

  it("reconnects after 40 s of silence, not before", async () => {
    const read = reader(subscribe({ transport }));
    const one = read.take(1);
    const first = await server.stream();
    await runtime.timerSet("stream silence");
    runtime.advance(30_000);
    first.raw(transport === "sse" ? ": beat\n\n" : "[]");
    first.send(log.slice(0, 1));
    await one;
    runtime.advance(39_000);
    expect(runtime.labels()).toEqual(["stream silence"]);
    runtime.advance(1_000);
    await first.closed;
    expect(connections.at(-1)).toMatchObject({ phase: "waiting" });
    await read.stop();
  });

  it("survives a frame that makes no sense", async () => {
    const read = reader(subscribe({ transport }));
    const one = read.take(1);
    const first = await server.stream();
    first.send(log.slice(0, 1));
    expect(await one).toEqual(log.slice(0, 1));
    const next = read.take(1);
    first.raw(transport === "sse" ? "data: {nonsense\n\n" : "nonsense");
    await runtime.fire("stream reconnect");
    const second = await server.stream();
    expect(second.url.searchParams.get("cursor")).toBe("c1");
    second.send(log.slice(1, 2));
    expect(await next).toEqual(log.slice(1, 2));
    await read.stop();
  });

  it("skips what it does not know and keeps its cursor", async () => {
    const read = reader(subscribe({ transport }));
    const events = read.take(1);
    const first = await server.stream();
    first.send([log[0]!, { type: "novelty", cursor: "c9", data: {} }]);
    expect(await events).toEqual(log.slice(0, 1));
    const next = read.next();
    first.end();
    await runtime.fire("stream reconnect");
    expect((await server.stream()).url.searchParams.get("cursor")).toBe("c9");
    await read.stop();
    expect(await next).toMatchObject({ done: true });
  });

  it("gives the connection up when nobody reads, and resumes where it stopped", async () => {
    const read = reader(subscribe({ transport }, { bufferEventsMax: 2 }));
    const one = read.take(1);
    const first = await server.stream();
    first.send(log.slice(0, 1));
    await one;
    first.send(log.slice(1, 4));
    await first.closed;
    expect(connections.at(-1)).toMatchObject({ phase: "paused" });
    expect(server.unclaimed()).toBe(0);
    const rest = read.take(5);
    const second = await server.stream();
    expect(second.url.searchParams.get("cursor")).toBe("c4");
    second.send(log.slice(4));
    expect(await rest).toEqual(log.slice(1));
    await read.stop();
  });

  it("is done, without an error, when the signal is aborted", async () => {
    const abort = new AbortController();
    const read = reader(subscribe({ transport, signal: abort.signal }));
    const next = read.next();
    const stream = await server.stream();
    abort.abort();
    expect(await next).toMatchObject({ done: true });
    await stream.closed;
    expect(runtime.labels()).toEqual([]);
    const already = reader(subscribe({ transport, signal: abort.signal }));
    expect(await already.next()).toMatchObject({ done: true });
  });

  it("folds to the same transcript, wherever it is cut", async () => {
    const name = episode(4, 1);
    const events = withCursors([
      historyReset(),
      said(1, 1),
      ready,
      delta(name, 1, "a"),
      delta(name, 2, "b"),
      said(2, 5, { episode: name }),
    ]);
    const whole = events.reduce(applyEvent, emptyTranscript);
    const read = reader<ChatEvent>(subscribe({ transport }));
    let t = emptyTranscript;
    for (let at = 0; at < events.length; at++) {
      const next = read.next();
      const stream = await server.stream();
      stream.send([events[at]!]);
      t = applyEvent(t, (await next).value as ChatEvent);
      stream.end(at % 2 === 0 ? resumable : undefined);
      await runtime.fire("stream reconnect");
    }
    expect(t).toEqual(whole);
    await read.stop();
  });
});

describe("a WebSocket", () => {
  it("that cannot send headers shows a ticket, a new one for every connection", async () => {
    let tickets = 0;
    server.onRequest = (request, response) =>
      request.url!.endsWith("/stream-tickets") &&
      json(response, { ticket: `t${++tickets}`, expires_at: "2026-01-01T00:01:00.000Z" });
    const webSockets = { ...systemWebSockets()!, sendsHeaders: false };
    const client = createClient({ baseUrl: server.baseUrl, token: "secret", runtime, webSockets });
    const read = reader(client.subscribe(chatId));
    const next = read.next();
    const first = await server.stream();
    expect(first.headers.authorization).toBeUndefined();
    expect(first.url.searchParams.get("ticket")).toBe("t1");
    first.end();
    await runtime.fire("stream reconnect");
    const second = await server.stream();
    expect(second.url.searchParams.get("ticket")).toBe("t2");
    await read.stop();
    expect(await next).toMatchObject({ done: true });
  });

  it("that a proxy does not let through is replaced by server-sent events", async () => {
    server.onRequest = (request, response) => {
      if (request.headers.upgrade === undefined) return false;
      response.writeHead(502).end();
      return true;
    };
    const read = reader(subscribe());
    const events = read.take(1);
    const stream = await server.stream();
    expect(stream.transport).toBe("sse");
    stream.send(log.slice(0, 1));
    expect(await events).toEqual(log.slice(0, 1));
    await read.stop();
  });

  it("that the runtime lacks is not needed", async () => {
    const client = createClient({ baseUrl: server.baseUrl, runtime, webSockets: null });
    const read = reader(client.subscribe(chatId));
    const events = read.take(1);
    const stream = await server.stream();
    expect(stream.transport).toBe("sse");
    stream.send(log.slice(0, 1));
    await events;
    await read.stop();
  });
});

it("batches hold all that has arrived since the last reading", async () => {
  const read = reader(subscribe().batches());
  const first = read.next();
  const stream = await server.stream();
  stream.send(log.slice(0, 3));
  expect(await first).toEqual({ done: false, value: log.slice(0, 3) });
  await read.stop();
});

it("resync begins anew, without what is unread", async () => {
  const subscription = subscribe({ transport: "websocket" });
  const read = reader(subscription);
  const one = read.take(1);
  const first = await server.stream();
  first.send(log.slice(0, 3));
  await one;
  subscription.resync();
  const events = read.take(2);
  const second = await server.stream();
  expect(second.url.searchParams.get("cursor")).toBe(null);
  second.send(log.slice(0, 2));
  expect(await events).toEqual(log.slice(0, 2));
  await read.stop();
});

it("watch follows the list of chats", async () => {
  const client = createClient({ baseUrl: server.baseUrl, token: "secret", runtime });
  const read = reader(client.watch({ cursor: "w1" }));
  const events = read.take(1);
  const stream = await server.stream();
  expect(stream.url.pathname + stream.url.search).toBe("/api/v1/chats/watch?cursor=w1");
  const deleted = { type: "chat_deleted", cursor: "w2", data: { id: chatId } };
  stream.send([deleted]);
  expect(await events).toEqual([deleted]);
  await read.stop();
});

it("a server that is away is asked again until it is back", async () => {
  const port = Number(new URL(server.baseUrl).port);
  const read = reader(subscribe());
  const events = read.take(2);
  const first = await server.stream();
  first.send([log[0]!, log[3]!]);
  await events;
  const third = read.take(1);
  await server.close();
  const waits: number[] = [];
  for (let tries = 0; tries < 3; tries++) waits.push(await runtime.fire("stream reconnect"));
  await runtime.timerSet("stream reconnect");
  server = await startStreamServer(port);
  waits.push(await runtime.fire("stream reconnect"));
  const second = await server.stream();
  expect(second.url.searchParams.get("cursor")).toBe("c4");
  second.send(log.slice(4, 5));
  expect(await third).toEqual(log.slice(4, 5));
  expect(waits).toEqual([250, 500, 1000, 2000]);
  await read.stop();
});

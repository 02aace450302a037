import type { IncomingMessage, ServerResponse } from "node:http";
import type { Message, QueuedMessage, SendMessage, SendMessageAnswer } from "@parley/protocol";
import { createClient, type Client } from "../src/client.ts";
import type { ClientOptions } from "../src/options.ts";
import { storesOf, type Stores } from "../src/stores/stores.ts";
import type { StreamLimits } from "../src/subscription/options.ts";
import { at, chat, chatId, message, text } from "./events.ts";
import { ManualRuntime } from "./manual-runtime.ts";
import { json, startStreamServer, type StreamServer } from "./stream-server.ts";

/** A call that has arrived and is answered when the test says so. */
export interface HeldCall {
  method: string;
  path: string;
  query: URLSearchParams;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into bodies of every shape
  body: any;
  answer(body: unknown, status?: number): void;
  refuse(status: number, code: string): void;
  /** Breaks the connection: whether the call took effect the client cannot know. */
  lose(): void;
}

/** A server of streams and calls that does what the test says, a client of it, and time that stands still. */
export interface StoreWorld {
  server: StreamServer;
  runtime: ManualRuntime;
  client: Client;
  stores: Stores;
  /** The next call, in order of arrival. */
  call(): Promise<HeldCall>;
  close(): Promise<void>;
}

export async function startStoreWorld(
  options: Partial<Omit<ClientOptions, "runtime">> & { runtime?: ManualRuntime } = {},
  limits: Partial<StreamLimits> = {},
): Promise<StoreWorld> {
  const server = await startStreamServer();
  const runtime = options.runtime ?? new ManualRuntime();
  const client = createClient(
    { retriesMax: 0, ...options, baseUrl: server.baseUrl, runtime },
    limits,
  );
  const calls: HeldCall[] = [];
  const waiting: ((call: HeldCall) => void)[] = [];
  server.onRequest = (request, response) => {
    const url = new URL(request.url ?? "", server.baseUrl);
    if (/\/(stream|watch)$/.test(url.pathname)) return false;
    const held = heldCall(request, response, url);
    const next = waiting.shift();
    if (next === undefined) calls.push(held);
    else next(held);
    return true;
  };
  return {
    server,
    runtime,
    client,
    stores: storesOf(client),
    call: () => {
      const there = calls.shift();
      return there === undefined
        ? new Promise((resolve) => waiting.push(resolve))
        : Promise.resolve(there);
    },
    async close() {
      storesOf(client).close();
      await server.close();
    },
  };
}

function heldCall(
  request: IncomingMessage & { body: string },
  response: ServerResponse,
  url: URL,
): HeldCall {
  return {
    method: request.method ?? "",
    path: url.pathname.replace("/api/v1", ""),
    query: url.searchParams,
    body: request.body === "" ? undefined : JSON.parse(request.body),
    answer: (body, status = 200) => void json(response, body, status),
    refuse(status, code) {
      response.writeHead(status, { "content-type": "application/problem+json" });
      response.end(
        JSON.stringify({ type: "about:blank", title: code, status, code, detail: code }),
      );
    },
    lose: () => response.destroy(),
  };
}

export interface StoreLike<S> {
  getState(): S;
  subscribe(listener: () => void): () => void;
}

/** Resolves when the store says so; it does not have to be followed by anybody else. */
export async function until<S>(store: StoreLike<S>, holds: (state: S) => boolean): Promise<S> {
  return await new Promise((resolve) => {
    const leave = store.subscribe(look);
    function look(): void {
      const state = store.getState();
      if (!holds(state)) return;
      resolve(state);
      queueMicrotask(() => leave());
    }
    look();
  });
}

/** The user's message as the history holds it. */
export function sent(id: number, revision: number, body: SendMessage): Message {
  return message(id, revision, {
    role: "user",
    parts: [text(body.content as string)],
    client_id: body.client_id ?? null,
  });
}

export function queued(id: number, body: SendMessage): QueuedMessage {
  return {
    id,
    chat_id: chatId,
    position: id,
    when_busy: "queue",
    parts: [text(body.content as string)],
    model: null,
    reasoning_effort: null,
    client_id: body.client_id ?? null,
    created_by: null,
    created_at: at,
  };
}

export function answerTo(
  messages: Message[],
  waiting: QueuedMessage | null = null,
): SendMessageAnswer {
  return { chat: chat(), messages, queued: waiting };
}

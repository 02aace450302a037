import http from "node:http";
import https from "node:https";
import type { Readable } from "node:stream";
import zlib from "node:zlib";
import { onAbort } from "../../lib/abort.ts";
import { defined } from "../../lib/assert.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Latch } from "../../lib/latch.ts";
import type { EventFilter } from "./event-filter.ts";
import { NotAStream } from "./failure.ts";

/** An error's body, or an answer that is no stream: what is longer is cut. */
const bodyBytesMax = 256 * 1024;

/** How long a connection whose reply has ended may take to end its response before it is thrown away. */
const drainMs = 1_000;

/** Connections that are kept for the next call, per provider. */
const idleSocketsMax = 16;

/** One model call on its way through `fetch`. */
export interface HttpCall {
  /** What the provider's events pass through. */
  readonly filter: EventFilter;
  /** The request is held before it: there may be a connection by then, and not one byte on it. */
  readonly departure: Latch;
  /** The package has handed its request over. */
  isMade: boolean;
}

/**
 * `fetch` in the shape that provider packages take, over node:http: the global one gives up after five minutes
 * without a byte (reasoning models think longer), cannot be told otherwise without another dependency, and costs three
 * times as much. POST of a string or bytes, no redirects.
 */
export class ModelHttp {
  readonly #clock: Pick<Clock, "timer">;
  readonly #calls = new WeakMap<AbortSignal, HttpCall>();
  readonly #agents = {
    "http:": new http.Agent({ keepAlive: true, maxFreeSockets: idleSocketsMax }),
    "https:": new https.Agent({ keepAlive: true, maxFreeSockets: idleSocketsMax }),
  };

  constructor(clock: Pick<Clock, "timer">) {
    this.#clock = clock;
  }

  /** To be told of every call: `fetch` knows it by its signal. Each has one of its own, and packages hand it on as it is. */
  expect(signal: AbortSignal, call: HttpCall): void {
    this.#calls.set(signal, call);
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const signal = defined(init?.signal, "the signal of a model call");
    const call = defined(this.#calls.get(signal), "the call of a signal");
    call.isMade = true;
    const url = new URL(input instanceof Request ? input.url : input);
    const request = { url, headers: headersOf(init?.headers), body: bodyOf(init?.body) };
    const response = await this.#send(request, call.departure, signal);
    const status = response.statusCode ?? 0;
    const headers = flat(response.headers);
    const body = decoded(response);
    if (status < 200 || status > 299) {
      const text = await readText(body);
      return new Response(nullBody(status) ? null : text, { status, headers });
    }
    const { first, rest } = await firstText(body);
    if (/^\s*[<{[]/.test(first)) throw new NotAStream(status, headers, first + (await rest()));
    return new Response(this.#events(response, body, first, call.filter), {
      status,
      headers: { ...headers, "content-type": "text/event-stream" },
    });
  };

  #send(
    {
      url,
      headers,
      body,
    }: { url: URL; headers: Record<string, string>; body: string | Uint8Array },
    departure: Latch,
    signal: AbortSignal,
  ): Promise<http.IncomingMessage> {
    const isTls = url.protocol === "https:";
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const request = (isTls ? https : http).request(url, {
        method: "POST",
        agent: this.#agents[isTls ? "https:" : "http:"],
        headers: {
          ...headers,
          "accept-encoding": "identity",
          "content-length": String(Buffer.byteLength(body)),
        },
      });
      const off = onAbort(signal, (reason) => {
        reject(reason instanceof Error ? reason : new Error("aborted"));
        request.destroy();
      });
      request.on("close", off);
      request.on("error", reject);
      request.on("response", resolve);
      departure.whenOpen(() => request.end(body));
    });
  }

  #events(
    response: http.IncomingMessage,
    body: Readable,
    first: string,
    filter: EventFilter,
  ): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder();
    const drain = (): void => {
      if (response.complete || response.destroyed) return;
      const timer = this.#clock.timer(drainMs, "model response drain", () => response.destroy());
      response.once("close", () => timer.cancel());
      body.resume();
    };
    return new ReadableStream<Uint8Array>(
      {
        start(controller) {
          let isOpen = true;
          const pass = (text: string): void => {
            if (text !== "") controller.enqueue(encoder.encode(text));
          };
          const close = (): void => {
            if (!isOpen) return;
            isOpen = false;
            controller.close();
          };
          const fail = (error: unknown): void => {
            if (!isOpen) return;
            isOpen = false;
            controller.error(error);
            response.destroy();
          };
          const take = (text: string): void => {
            if (!isOpen) return;
            try {
              pass(filter.push(text));
            } catch (error) {
              fail(error);
              return;
            }
            if (filter.ended) {
              close();
              drain();
            } else if ((controller.desiredSize ?? 0) <= 0) {
              body.pause();
            }
          };
          body.on("data", take);
          body.on("error", fail);
          body.on("end", () => {
            if (isOpen) pass(filter.end());
            close();
          });
          body.on("close", () => {
            if (isOpen) fail(new LostConnection());
          });
          take(first);
          // The sniffing may have read up to the end: no event tells of that any more.
          if (body.readableEnded) {
            if (isOpen) pass(filter.end());
            close();
          }
        },
        pull() {
          body.resume();
        },
        cancel() {
          response.destroy();
        },
      },
      { highWaterMark: 64 },
    );
  }
}

class LostConnection extends Error {
  readonly code = "ECONNRESET";

  constructor() {
    super("The connection was closed in the middle of the response.");
  }
}

/** Decoded as UTF-8, invalid bytes replaced: a character may be split over two chunks. */
function decoded(response: http.IncomingMessage): Readable {
  const body = decompressed(response);
  body.setEncoding("utf8");
  return body;
}

/** Some gateways compress although they were asked not to. */
function decompressed(response: http.IncomingMessage): Readable {
  const encoding = response.headers["content-encoding"];
  const unzip =
    encoding === "gzip" || encoding === "deflate"
      ? zlib.createUnzip()
      : encoding === "br"
        ? zlib.createBrotliDecompress()
        : null;
  if (unzip === null) return response;
  response.on("error", (error) => unzip.destroy(error));
  response.on("close", () => {
    if (!response.complete) unzip.destroy(new LostConnection());
  });
  return response.pipe(unzip);
}

/** The first text that is more than white space (all of it where the body ends before), and how to get the rest. */
async function firstText(body: Readable): Promise<{ first: string; rest: () => Promise<string> }> {
  let first = "";
  for (;;) {
    // One after the other: the sniffing ends as soon as there is something to judge by.
    // oxlint-disable-next-line no-await-in-loop
    const chunk = await nextChunk(body);
    if (chunk === null) break;
    first += chunk;
    if (first.trim() !== "") break;
  }
  return { first: first.replace(/^\ufeff/, ""), rest: () => readText(body) };
}

/** One chunk in paused mode; null at the end. */
function nextChunk(body: Readable): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const settle = (fn: () => void): void => {
      body.off("readable", onReadable);
      body.off("end", onEnd);
      body.off("error", onError);
      body.off("close", onClose);
      fn();
    };
    const onEnd = (): void => settle(() => resolve(null));
    const onError = (error: Error): void => settle(() => reject(error));
    const onClose = (): void =>
      settle(() => (body.readableEnded ? resolve(null) : reject(new LostConnection())));
    const onReadable = (): void => {
      const chunk = body.read() as string | null;
      if (chunk !== null) settle(() => resolve(chunk));
    };
    if (body.destroyed || body.readableEnded) {
      onClose();
      return;
    }
    body.on("readable", onReadable);
    body.on("end", onEnd);
    body.on("error", onError);
    body.on("close", onClose);
    onReadable();
  });
}

async function readText(body: Readable): Promise<string> {
  let text = "";
  try {
    for await (const chunk of body) {
      text += chunk as string;
      if (text.length > bodyBytesMax) break;
    }
  } catch {
    // What was read of an error's body is better than nothing.
  }
  return text.slice(0, bodyBytesMax);
}

function headersOf(given: RequestInit["headers"]): Record<string, string> {
  return Object.fromEntries(new Headers(given).entries());
}

function bodyOf(given: RequestInit["body"]): string | Uint8Array {
  if (given === undefined || given === null) return "";
  if (typeof given === "string" || given instanceof Uint8Array) return given;
  throw new TypeError("a model call's body is text or bytes");
}

function flat(headers: http.IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name !== "content-encoding" && name !== "content-length")
      .map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")]),
  );
}

function nullBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

import http from "node:http";
import https from "node:https";
import { onAbort } from "../../lib/abort.ts";
import { defined } from "../../lib/assert.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Latch } from "../../lib/latch.ts";
import type { EventFilter } from "./event-filter.ts";
import { ProviderEvents } from "./provider-events.ts";

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
  /** What ended the provider's answer, or stood in its place: packages wrap it in words of their own. */
  failure: Error | null;
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

  /**
   * Answers at once, with a stream that says the rest: what a package builds around an answer is there when that comes.
   * So whatever goes wrong, and an answer that is no stream, ends the stream, and is `failure` of the call.
   */
  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const signal = defined(init?.signal, "the signal of a model call");
    const call = defined(this.#calls.get(signal), "the call of a signal");
    call.isMade = true;
    signal.throwIfAborted();
    const url = new URL(input instanceof Request ? input.url : input);
    const events = new ProviderEvents(call, this.#clock);
    this.#send(url, headersOf(init?.headers), bodyOf(init?.body), { call, signal, events });
    return await Promise.resolve(
      new Response(events.stream, { headers: { "content-type": "text/event-stream" } }),
    );
  };

  #send(
    url: URL,
    headers: Record<string, string>,
    body: string | Uint8Array,
    { call, signal, events }: { call: HttpCall; signal: AbortSignal; events: ProviderEvents },
  ): void {
    const isTls = url.protocol === "https:";
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
      events.fail(reason instanceof Error ? reason : new Error("aborted"));
      request.destroy();
    });
    request.on("close", off);
    request.on("error", (error) => events.fail(error));
    request.on("response", (response) => events.answered(response));
    call.departure.whenOpen(() => request.end(body));
  }
}

function headersOf(given: RequestInit["headers"]): Record<string, string> {
  return Object.fromEntries(new Headers(given).entries());
}

function bodyOf(given: RequestInit["body"]): string | Uint8Array {
  if (given === undefined || given === null) return "";
  if (typeof given === "string" || given instanceof Uint8Array) return given;
  throw new TypeError("a model call's body is text or bytes");
}

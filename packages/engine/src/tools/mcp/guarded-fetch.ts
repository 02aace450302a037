import { lookup as systemLookup, type LookupAddress, type LookupAllOptions } from "node:dns";
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { LookupFunction } from "node:net";
import { Readable } from "node:stream";
import type { FetchLike } from "@modelcontextprotocol/client";
import { HostRefused, type Reach } from "./reach.ts";

/** A connection on which nothing comes for so long is given up, as `fetch` does. */
const silenceMs = 300_000;

/** Each holds one of the four threads that files need too, and a name server of a stranger's may take its time. */
const lookupsMax = 2;

const withoutBody: ReadonlySet<number> = new Set([204, 205, 304]);

export interface GuardedFetchOptions {
  readonly reach: Reach;
  /** Instead of the system's. */
  readonly lookup?: typeof systemLookup;
}

/**
 * `fetch` for addresses that somebody else has chosen. Where a name leads to is judged by the addresses that the socket is
 * then connected to, so that a name which changes between two answers gains nothing. Redirects are not followed: whoever
 * follows one comes back here. Bodies are texts and forms.
 */
export function guardedFetch({ reach, lookup = systemLookup }: GuardedFetchOptions): FetchLike {
  // As many sockets as are asked for: a popular host serves many chats, each with a stream of its own.
  const options = { keepAlive: true, lookup: guardedLookup(reach, lookup) };
  const agents = { "http:": new HttpAgent(options), "https:": new HttpsAgent(options) } as const;
  return async (input, init = {}) => {
    const url = new URL(input);
    if (url.protocol !== "http:" && url.protocol !== "https:") throw new HostRefused();
    reach.assertHost(url.hostname);
    init.signal?.throwIfAborted();
    const { headers, body } = sent(init);
    const isSecure = url.protocol === "https:";
    const request = (isSecure ? httpsRequest : httpRequest)(url, {
      method: init.method ?? "GET",
      headers,
      agent: agents[url.protocol],
      timeout: silenceMs,
      ...(init.signal && { signal: init.signal }),
    });
    return await new Promise<Response>((resolve, reject) => {
      request.once("timeout", () => request.destroy(new Error("it did not answer in time")));
      request.on("error", (error) => {
        const reason: unknown = init.signal?.reason;
        // What was aborted says why it was.
        reject(reason instanceof Error ? reason : error);
      });
      // Where an answer has come, this says nothing any more.
      request.once("close", () => reject(new Error("it closed the connection")));
      request.once("response", (incoming) => {
        try {
          resolve(responseOf(url, incoming));
        } catch (error) {
          // A status that there is not, say: nothing of a stranger's may end up in the event loop.
          request.destroy();
          reject(new Error("its answer makes no sense", { cause: error }));
        }
      });
      request.end(body);
    });
  };
}

function guardedLookup(reach: Reach, system: typeof systemLookup): LookupFunction {
  const lookup = fewAtATime(system);
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      const addresses: readonly LookupAddress[] = error === null ? found : [];
      // One that is not public among them is enough: such a name is no accident.
      const refused =
        !reach.opens(hostname) && addresses.some(({ address }) => !reach.has(address));
      const [first] = addresses;
      if (error !== null || refused || first === undefined) {
        callback(error ?? new HostRefused(), "", 0);
      } else if (options.all === true) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    });
  };
}

type LookupAll = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
) => void;

function fewAtATime(lookup: typeof systemLookup): LookupAll {
  const waiting: (() => void)[] = [];
  let running = 0;
  return (hostname, options, callback) => {
    const run = (): void => {
      running += 1;
      lookup(hostname, options, (error, found) => {
        running -= 1;
        waiting.shift()?.();
        callback(error, found);
      });
    };
    if (running < lookupsMax) run();
    else waiting.push(run);
  };
}

function sent(init: RequestInit): { headers: Record<string, string>; body: string | undefined } {
  const headers = new Headers(init.headers);
  // Nothing here unpacks an answer.
  headers.set("accept-encoding", "identity");
  const { body } = init;
  if (body === undefined || body === null) return { headers: plain(headers), body: undefined };
  if (typeof body !== "string" && !(body instanceof URLSearchParams)) {
    throw new TypeError("only texts and forms are sent");
  }
  if (typeof body !== "string" && !headers.has("content-type")) {
    headers.set("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
  }
  return { headers: plain(headers), body: String(body) };
}

function plain(headers: Headers): Record<string, string> {
  return Object.fromEntries(headers);
}

function responseOf(url: URL, incoming: IncomingMessage): Response {
  const { statusCode: status = 500 } = incoming;
  const headers = new Headers();
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  const isEmpty = withoutBody.has(status);
  if (isEmpty) incoming.resume();
  const body = isEmpty ? null : (Readable.toWeb(incoming) as unknown as ReadableStream<Uint8Array>);
  const response = new Response(body, { status, headers });
  Object.defineProperty(response, "url", { value: url.href });
  return response;
}

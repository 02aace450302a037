import type { HttpDoor } from "../../src/http/server.ts";
import type { Scheduler } from "../scheduler.ts";
import type { SimProcess } from "../process.ts";
import type { Trace } from "../trace.ts";
import { pipeBetween, type Pipe } from "./pipe.ts";
import type { NetworkWeather } from "./weather.ts";
import { WebSocketNetwork } from "./websockets.ts";

type App = Parameters<HttpDoor>[0];

/** Where requests go in: a replica's server, while it listens. */
interface Listening {
  readonly process: SimProcess;
  readonly app: App;
}

/** Bytes on their way to a client beyond which the operating system takes no more. */
const windowBytes = 64 * 1024;

/** What a client may look at of a connection, and do to it. */
export interface HttpConnection {
  readonly replica: string;
  /** The client takes nothing for a while. */
  stall(stalled: boolean): void;
}

/** Requests of clients to replicas, over a network that behaves as the weather is. */
export class HttpNetwork {
  readonly #scheduler: Scheduler;
  readonly #weather: NetworkWeather;
  readonly #trace: Trace;
  readonly #listening = new Map<string, Listening>();
  readonly #exchanges = new Set<Exchange>();
  readonly sockets: WebSocketNetwork;
  /** What is done to a piece of an answer on its way: for mutations. */
  onChunk: (chunk: Buffer) => readonly Buffer[] = (chunk) => [chunk];
  /** Answers that no server should give. */
  onFailure: (status: number, request: string, body: string) => void = () => {};

  constructor(scheduler: Scheduler, weather: NetworkWeather, trace: Trace) {
    this.#scheduler = scheduler;
    this.#weather = weather;
    this.#trace = trace;
    this.sockets = new WebSocketNetwork(scheduler, weather);
  }

  /** The names of the replicas that can be asked now. */
  get hosts(): readonly string[] {
    return [...this.#listening.keys()];
  }

  get openExchanges(): number {
    return this.#exchanges.size + this.sockets.open;
  }

  doorOf(process: SimProcess, host: string): HttpDoor {
    return (app) => {
      this.#listening.set(host, { process, app });
      this.sockets.listen(host, { process, server: app.server });
      return { url: `http://${host}`, port: 80 };
    };
  }

  /** Nobody listens there any more; connections that are open break where `heard`, and hang otherwise. */
  close(host: string, heard = true): void {
    this.#listening.delete(host);
    this.sockets.close(host, heard);
    for (const exchange of this.#exchanges) {
      if (exchange.host === host && heard) exchange.reset("the server is gone");
    }
  }

  /** Breaks open connections of this client, or to this host, at both ends. */
  drop(which: { readonly client?: SimProcess; readonly host?: string }): number {
    let dropped = this.sockets.drop(which);
    for (const exchange of this.#exchanges) {
      if (which.client && exchange.client !== which.client) continue;
      if (which.host && exchange.host !== which.host) continue;
      exchange.reset("the connection was cut");
      dropped += 1;
    }
    return dropped;
  }

  /** What a client's device uses as `fetch`: `choose` is its load balancer. */
  fetchOf(
    client: SimProcess,
    choose: () => string | null,
    onOpen: (connection: HttpConnection) => void = () => {},
  ): (url: string, init: RequestInit) => Promise<Response> {
    return async (url, init) => {
      const host = choose();
      const { promise, resolve, reject } = Promise.withResolvers<Response>();
      const listening = host === null ? undefined : this.#listening.get(host);
      if (host === null || listening === undefined) {
        client.timer(2, "connect", () => reject(new TypeError("fetch failed: nobody listens")));
        return await promise;
      }
      const exchange = new Exchange({
        scheduler: this.#scheduler,
        weather: this.#weather,
        trace: this.#trace,
        client,
        host,
        ...listening,
        onChunk: (chunk) => this.onChunk(chunk),
        onOver: () => this.#exchanges.delete(exchange),
        onFailure: (status, request, body) => this.onFailure(status, request, body),
      });
      this.#exchanges.add(exchange);
      onOpen(exchange);
      exchange.start(url, init, resolve, reject);
      return await promise;
    };
  }
}

interface ExchangeDeps extends Listening {
  readonly scheduler: Scheduler;
  readonly weather: NetworkWeather;
  readonly trace: Trace;
  readonly client: SimProcess;
  readonly host: string;
  readonly onChunk: (chunk: Buffer) => readonly Buffer[];
  readonly onOver: () => void;
  readonly onFailure: (status: number, request: string, body: string) => void;
}

interface InjectedRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly payload?: string | Buffer;
  readonly payloadAsStream: true;
}

/** What `inject` gives of the answer's other side. */
interface RawResponse {
  writableLength: number;
  write(data: string | Buffer, ...rest: unknown[]): boolean;
  destroy(): void;
}

/** One request and its answer, which may be a stream that never ends. */
class Exchange implements HttpConnection {
  readonly #deps: ExchangeDeps;
  readonly #up: Pipe;
  readonly #down: Pipe;
  #raw: RawResponse | null = null;
  #body: ReadableStreamDefaultController<Uint8Array> | null = null;
  #reject: ((error: Error) => void) | null = null;
  #inFlight = 0;
  #flushed: (() => void)[] = [];
  #stalled = false;
  readonly #unread: Uint8Array[] = [];
  #ended = false;
  #over = false;

  constructor(deps: ExchangeDeps) {
    const { scheduler, weather, client, process } = deps;
    this.#deps = deps;
    this.#up = pipeBetween(scheduler, weather, client, process);
    this.#down = pipeBetween(scheduler, weather, process, client);
  }

  get host(): string {
    return this.#deps.host;
  }

  get replica(): string {
    return this.#deps.host;
  }

  get client(): SimProcess {
    return this.#deps.client;
  }

  start(
    url: string,
    init: RequestInit,
    resolve: (response: Response) => void,
    reject: (error: Error) => void,
  ): void {
    this.#reject = reject;
    const { pathname, search } = new URL(url);
    const signal = init.signal ?? undefined;
    if (signal?.aborted) return this.#giveUp();
    signal?.addEventListener("abort", () => this.#giveUp(), { once: true });
    const request = {
      method: (init.method ?? "GET") as InjectedRequest["method"],
      url: `${pathname}${search}`,
      headers: { host: this.#deps.host, ...(init.headers as Record<string, string>) },
      payloadAsStream: true as const,
      ...payloadOf(init.body),
    };
    this.#up.send(() => void this.#serve(request, resolve));
  }

  stall(stalled: boolean): void {
    this.#stalled = stalled;
    if (!stalled) for (const chunk of this.#unread.splice(0)) this.#take(chunk);
  }

  /** Both ends hear that the connection is gone. */
  reset(why: string): void {
    if (this.#over) return;
    const raw = this.#raw;
    this.#finish();
    this.#deps.process.deliver(() => raw?.destroy());
    this.#deps.client.deliver(() => this.#fail(new TypeError(`fetch failed: ${why}`)));
  }

  /** The client wants no more of it. */
  #giveUp(): void {
    if (this.#over) return;
    this.#fail(new DOMException("This operation was aborted", "AbortError"));
    this.#down.cut();
    this.#up.send(() => this.#raw?.destroy());
    this.#over = true;
    this.#deps.onOver();
  }

  async #serve(request: InjectedRequest, resolve: (response: Response) => void): Promise<void> {
    let answer;
    try {
      answer = await this.#deps.app.inject(request);
    } catch {
      // Destroyed before there was an answer: by the client's leaving, mostly.
      return this.reset("the server hung up");
    }
    const raw = answer.raw.res as unknown as RawResponse;
    this.#raw = raw;
    if (this.#over) return raw.destroy();
    if (this.#deps.weather.losesResponse()) return this.reset("the answer was lost");
    const { statusCode } = answer;
    const headers = Object.entries(answer.headers).map(
      ([name, value]) => [name, String(value)] as [string, string],
    );
    this.#down.send(() => {
      if (this.#over) return;
      this.#reject = null;
      const body = new ReadableStream<Uint8Array>({ start: (it) => void (this.#body = it) });
      const bodiless = statusCode === 204 || statusCode === 304;
      resolve(new Response(bodiless ? null : body, { status: statusCode, headers }));
    });
    const whole: Buffer[] = [];
    const stream = answer.stream();
    stream.on("data", (chunk: Buffer) => {
      if (statusCode >= 500) whole.push(chunk);
      this.#push(chunk);
    });
    stream.on("error", () => {});
    stream.on("end", () => {
      if (statusCode >= 500) {
        const text = Buffer.concat(whole).toString("utf8");
        this.#deps.onFailure(statusCode, `${request.method} ${request.url}`, text);
      }
      this.#down.send(() => this.#end());
    });
    this.#pressBack(raw);
  }

  /** From now on what the server writes fills a window, as a socket's would. */
  #pressBack(raw: RawResponse): void {
    Object.defineProperty(raw, "writableLength", {
      get: () => Math.max(0, this.#inFlight - windowBytes),
    });
    raw.write = (data, ...rest) => {
      const done = rest.find((arg) => typeof arg === "function") as (() => void) | undefined;
      this.#push(Buffer.from(data as string));
      if (done) {
        if (this.#inFlight > windowBytes) this.#flushed.push(done);
        else setImmediate(done);
      }
      return true;
    };
  }

  #push(whole: Buffer): void {
    for (const chunk of this.#deps.onChunk(whole)) this.#carry(chunk);
  }

  #carry(chunk: Buffer): void {
    if (this.#over) return;
    this.#inFlight += chunk.length;
    this.#down.send(() => {
      if (this.#stalled) this.#unread.push(chunk);
      else this.#take(chunk);
    });
  }

  #take(chunk: Uint8Array): void {
    if (this.#over) return;
    this.#body?.enqueue(new Uint8Array(chunk));
    this.#up.send(() => {
      this.#inFlight -= chunk.length;
      if (this.#inFlight <= windowBytes) for (const done of this.#flushed.splice(0)) done();
    });
    if (this.#ended && this.#unread.length === 0) this.#end();
  }

  #end(): void {
    this.#ended = true;
    if (this.#over || this.#unread.length > 0) return;
    this.#finish();
    this.#body?.close();
    this.#body = null;
  }

  #fail(error: Error): void {
    this.#reject?.(error);
    this.#reject = null;
    try {
      this.#body?.error(error);
    } catch {
      // It is closed already.
    }
    this.#body = null;
  }

  #finish(): void {
    this.#over = true;
    this.#up.cut();
    this.#down.cut();
    this.#deps.onOver();
  }
}

function payloadOf(body: RequestInit["body"]): Pick<InjectedRequest, "payload"> {
  if (typeof body === "string") return { payload: body };
  return body instanceof Uint8Array ? { payload: Buffer.from(body) } : {};
}

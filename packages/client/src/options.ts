import { systemRuntime, type Runtime } from "./runtime.ts";
import { systemWebSockets, type WebSockets } from "./subscription/websocket-adapter.ts";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** A bearer token, or how to get the current one. Absent: the browser's cookie says who asks. */
export type TokenSource = string | (() => string | undefined | Promise<string | undefined>);

export interface ClientOptions {
  /** Where Parley is, without `/api/v1`. `""` in a browser: the server that the page came from. */
  baseUrl: string;
  token?: TokenSource | undefined;
  fetch?: Fetch | undefined;
  /** How often a call whose answer was lost is sent again, with the same key. Default 4. */
  retriesMax?: number | undefined;
  /** How long one try of a call may take. Default 30 s. */
  timeoutMs?: number | undefined;
  runtime?: Runtime | undefined;
  /** `null`: there are none, streams come as server-sent events. */
  webSockets?: WebSockets | null | undefined;
}

/** Client options with every default filled in. */
export interface ClientContext {
  readonly baseUrl: string;
  readonly fetch: Fetch;
  readonly retriesMax: number;
  readonly timeoutMs: number;
  readonly runtime: Runtime;
  readonly webSockets: WebSockets | null;
  token(): Promise<string | undefined>;
}

const retriesMaxDefault = 4;
const timeoutMsDefault = 30_000;

/** @throws TypeError when `baseUrl` is no HTTP address. */
export function resolveOptions(options: ClientOptions): ClientContext {
  const { token } = options;
  return {
    baseUrl: absolute(options.baseUrl),
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    retriesMax: options.retriesMax ?? retriesMaxDefault,
    timeoutMs: options.timeoutMs ?? timeoutMsDefault,
    runtime: options.runtime ?? systemRuntime,
    webSockets: options.webSockets === undefined ? systemWebSockets() : options.webSockets,
    token: async () => (typeof token === "function" ? await token() : token),
  };
}

function absolute(baseUrl: string): string {
  const page = (globalThis as { location?: { href: string } }).location?.href;
  if (baseUrl === "" && page !== undefined) return new URL(page).origin;
  const url = page === undefined ? new URL(baseUrl) : new URL(baseUrl, page);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`baseUrl must be an http or https address, not ${url.protocol}`);
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

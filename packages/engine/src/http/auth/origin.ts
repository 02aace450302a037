import type { IncomingHttpHeaders } from "node:http";
import { Forbidden } from "../errors.ts";

/** What the browser's rules are checked against. */
export interface SiteRules {
  /** Bound to loopback: only the names of loopback, and those that were configured, may be asked for by cookie. */
  readonly loopbackOnly: boolean;
  /** `host[:port]` under which a proxy makes this server known. */
  readonly publicHosts: readonly string[];
}

/**
 * What a cookie may be used for. A browser sends it whoever wrote the page, so the page's origin is what decides;
 * and a name that an attacker points at 127.0.0.1 (DNS rebinding) makes his page same-origin, so the name is checked.
 *
 * @throws Forbidden
 */
export function checkCookieUse(
  request: { readonly headers: IncomingHttpHeaders; readonly mutates: boolean },
  rules: SiteRules,
): void {
  const { headers, mutates } = request;
  checkHost(headers.host, rules);
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") {
    throw new Forbidden("A cookie counts only for pages of this server.");
  }
  const { origin } = headers;
  if (origin === undefined) {
    if (mutates) throw new Forbidden("A cookie needs an Origin header here. Use a bearer token.");
    return;
  }
  if (hostOfOrigin(origin) !== normalHost(headers.host)) {
    throw new Forbidden("A cookie counts only for pages of this server.");
  }
}

/** @throws Forbidden where the server is bound to loopback and asked for by a name that is not loopback's. */
export function checkHost(host: string | undefined, rules: SiteRules): void {
  if (!rules.loopbackOnly) return;
  const name = normalHost(host);
  if (name === null) throw new Forbidden("A Host header is needed.");
  if (rules.publicHosts.some((known) => normalHost(known) === name)) return;
  if (!isLoopbackName(name)) {
    throw new Forbidden("This server is bound to loopback and not known by this name.");
  }
}

export function isLoopbackAddress(address: string): boolean {
  return (
    address === "localhost" || address === "::1" || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(address)
  );
}

function isLoopbackName(host: string): boolean {
  const name = host.startsWith("[") ? host.slice(1, host.indexOf("]")) : host.replace(/:\d+$/, "");
  return isLoopbackAddress(name) || name.endsWith(".localhost");
}

/** `host[:port]` in lower case, without the default port; null for what is no host. */
function normalHost(host: string | undefined): string | null {
  if (host === undefined || !/^[a-z0-9._:[\]-]+$/i.test(host)) return null;
  return URL.canParse(`http://${host}`) ? host.toLowerCase().replace(/:(80|443)$/, "") : null;
}

function hostOfOrigin(origin: string): string | null {
  if (!/^https?:\/\//.test(origin) || !URL.canParse(origin)) return null;
  return normalHost(origin.replace(/^https?:\/\//, ""));
}

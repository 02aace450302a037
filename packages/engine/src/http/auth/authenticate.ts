import type { IncomingHttpHeaders } from "node:http";
import { Unauthorized } from "../errors.ts";
import type { Authenticator } from "./authenticator.ts";
import type { Caller } from "./caller.ts";
import { credentialOf } from "./credentials.ts";
import { checkCookieUse, type SiteRules } from "./origin.ts";

/** Where the server is reached: known once it listens. */
export interface Site extends SiteRules {
  readonly port: number;
}

/**
 * Who sends this request.
 *
 * @param mutates it may change something, or it opens a WebSocket: then a cookie needs the page's origin.
 * @throws Unauthorized without a good credential; Forbidden where a cookie may not be used.
 */
export async function authenticate(
  authenticator: Authenticator,
  site: Site,
  request: { readonly headers: IncomingHttpHeaders; readonly mutates: boolean },
): Promise<Caller> {
  const credential = credentialOf(request.headers, site.port);
  if (credential.kind === "none") throw new Unauthorized();
  if (credential.kind === "cookie") checkCookieUse(request, site);
  const caller = await authenticator.byToken(credential.token);
  if (caller === null) throw new Unauthorized();
  return caller;
}

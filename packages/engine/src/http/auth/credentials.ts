import type { IncomingHttpHeaders } from "node:http";
import { fastifyCookie } from "@fastify/cookie";

/** What a request brings to say who it is. A bearer token wins over a cookie. */
export type Credential =
  | { readonly kind: "bearer"; readonly token: string }
  | { readonly kind: "cookie"; readonly token: string }
  | { readonly kind: "none" };

/** Cookies do not know ports: with one name for all, two servers on a machine would overwrite each other's. */
export function cookieName(port: number): string {
  return `parley_${port}`;
}

export function credentialOf(headers: IncomingHttpHeaders, port: number): Credential {
  const { authorization, cookie } = headers;
  if (authorization !== undefined) {
    const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
    // Another scheme is no reason to fall back to the cookie: who sends it means it.
    return token === undefined ? { kind: "none" } : { kind: "bearer", token };
  }
  const token = cookie === undefined ? undefined : fastifyCookie.parse(cookie)[cookieName(port)];
  return token === undefined || token === "" ? { kind: "none" } : { kind: "cookie", token };
}

import type { IncomingHttpHeaders } from "node:http";
import { fastifyCookie } from "@fastify/cookie";
import { cookieNames } from "./session-cookie.ts";

/** What a request brings to say who it is. A bearer token wins over a cookie. */
export type Credential =
  | { readonly kind: "bearer"; readonly token: string }
  | { readonly kind: "cookie"; readonly token: string }
  | { readonly kind: "none" };

export function credentialOf(headers: IncomingHttpHeaders, port: number): Credential {
  const { authorization, cookie } = headers;
  if (authorization !== undefined) {
    const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
    // Another scheme is no reason to fall back to the cookie: who sends it means it.
    return token === undefined ? { kind: "none" } : { kind: "bearer", token };
  }
  const cookies = cookie === undefined ? {} : fastifyCookie.parse(cookie);
  const token = cookieNames(headers.host, port)
    .map((name) => cookies[name])
    .find((value) => value !== undefined && value !== "");
  return token === undefined ? { kind: "none" } : { kind: "cookie", token };
}

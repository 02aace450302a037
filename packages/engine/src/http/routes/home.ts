import { createHash } from "node:crypto";
import { fastifyCookie } from "@fastify/cookie";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import type { App } from "../app.ts";
import type { Site } from "../auth/authenticate.ts";
import { cookieName, credentialOf } from "../auth/credentials.ts";
import { checkCookieUse, checkHost } from "../auth/origin.ts";
import type { HttpContext } from "../context.ts";
import { homePage, strangerPage, style } from "./home-page.ts";

const cookieSeconds = 30 * 24 * 3600;

const styleHash = createHash("sha256").update(style).digest("base64");
const policy = `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

const querySchema = z.strictObject({ token: z.string().max(512).optional() });

/** The page behind the address that the server prints: `/?token=…` is exchanged for a cookie. */
export function homeRoutes(app: App, context: HttpContext, site: () => Site): void {
  app.route({
    method: "GET",
    url: "/",
    config: { auth: "handler" },
    schema: { hide: true, querystring: querySchema },
    handler: async (request, reply) => {
      const { headers, query } = request;
      const here = site();
      const base = `http://${headers.host ?? `127.0.0.1:${here.port}`}`;
      if (query.token !== undefined) {
        checkHost(headers.host, here);
        const caller = await context.authenticator.byToken(query.token);
        if (caller === null) return page(reply, 401, strangerPage());
        return page(
          reply.header("set-cookie", cookieOf(query.token, here.port)),
          200,
          homePage(base, context.models.defaultModel()),
        );
      }
      const credential = credentialOf(headers, here.port);
      if (credential.kind === "none") return page(reply, 401, strangerPage());
      if (credential.kind === "cookie") checkCookieUse({ headers, mutates: false }, here);
      const caller = await context.authenticator.byToken(credential.token);
      if (caller === null) return page(reply, 401, strangerPage());
      return page(reply, 200, homePage(base, context.models.defaultModel()));
    },
  });
}

/** Not `Secure`: the server itself speaks plain HTTP, on loopback or behind a proxy. */
function cookieOf(token: string, port: number): string {
  return fastifyCookie.serialize(cookieName(port), token, {
    httpOnly: true,
    sameSite: "strict",
    path: "/",
    maxAge: cookieSeconds,
  });
}

function page(reply: FastifyReply, status: number, html: string): FastifyReply {
  return reply
    .code(status)
    .header("content-security-policy", policy)
    .type("text/html; charset=utf-8")
    .send(html);
}

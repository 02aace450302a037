import { createHash } from "node:crypto";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import type { App } from "../app.ts";
import type { Site } from "../auth/authenticate.ts";
import { credentialOf } from "../auth/credentials.ts";
import { checkCookieUse, checkHost } from "../auth/origin.ts";
import { sessionCookie } from "../auth/session-cookie.ts";
import type { HttpContext } from "../context.ts";
import type { WebApp } from "../web/web-app.ts";
import { homePage, strangerPage, style } from "./home-page.ts";

const styleHash = createHash("sha256").update(style).digest("base64");
const policy = `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

const token = z.string().max(512).optional();

/** Behind the address that the server prints is the application, which asks who is there by itself. */
export function webHomeRoute(app: App, context: HttpContext, web: WebApp, site: () => Site): void {
  app.route({
    method: "GET",
    url: "/",
    config: { auth: "handler" },
    schema: { hide: true, querystring: z.object({ token }) },
    handler: async ({ headers, query }, reply) => {
      if (query.token === undefined) return web.page(reply);
      const here = site();
      checkHost(headers.host, here);
      const caller = await context.authenticator.byToken(query.token);
      if (caller === null) return web.page(reply, 401);
      // To the same page without the token: it stays neither in the address bar nor in the history.
      return reply
        .header("set-cookie", sessionCookie(query.token, headers.host, here.port))
        .redirect("/", 303);
    },
  });
}

/** Where the application is not: a page that says that the server runs, and how to talk to it. */
export function plainHomeRoute(app: App, context: HttpContext, site: () => Site): void {
  app.route({
    method: "GET",
    url: "/",
    config: { auth: "handler" },
    schema: { hide: true, querystring: z.strictObject({ token }) },
    handler: async (request, reply) => {
      const { headers, query } = request;
      const here = site();
      const base = `http://${headers.host ?? `127.0.0.1:${here.port}`}`;
      if (query.token !== undefined) {
        checkHost(headers.host, here);
        const caller = await context.authenticator.byToken(query.token);
        if (caller === null) return page(reply, 401, strangerPage());
        return page(
          reply.header("set-cookie", sessionCookie(query.token, headers.host, here.port)),
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

function page(reply: FastifyReply, status: number, html: string): FastifyReply {
  return reply
    .code(status)
    .header("content-security-policy", policy)
    .type("text/html; charset=utf-8")
    .send(html);
}

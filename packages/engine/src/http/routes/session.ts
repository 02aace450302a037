import { createSessionSchema, sessionAnswerSchema, type SessionAnswer } from "@parley/protocol";
import type { App } from "../app.ts";
import type { Site } from "../auth/authenticate.ts";
import type { Caller } from "../auth/caller.ts";
import { checkCookieUse } from "../auth/origin.ts";
import { endedCookies, sessionCookie } from "../auth/session-cookie.ts";
import type { HttpContext } from "../context.ts";
import { Unauthorized } from "../errors.ts";
import { answers, bodyRefusals } from "../openapi.ts";

/** Signing in and out of a browser. Both need the origin of a page of ours: nobody else signs anyone in or out. */
export function sessionRoutes(
  app: App,
  context: HttpContext,
  { version, site }: { version: string; site: () => Site },
): void {
  const answerFor = (caller: Caller): SessionAnswer => ({
    principal: { id: caller.principalId, name: caller.principalName, is_admin: caller.isAdmin },
    server: { version },
  });

  app.route({
    method: "GET",
    url: "/session",
    schema: {
      operationId: "getSession",
      tags: ["tokens"],
      summary: "Who asks, and which server answers",
      response: answers({ 200: sessionAnswerSchema }),
    },
    handler: async ({ caller }) => answerFor(caller),
  });

  app.route({
    method: "POST",
    url: "/session",
    config: { auth: "handler" },
    schema: {
      operationId: "createSession",
      tags: ["tokens"],
      summary: "Sign a browser in: the token is kept in a cookie that scripts cannot read",
      security: [],
      body: createSessionSchema,
      response: answers({ 201: sessionAnswerSchema }, bodyRefusals),
    },
    handler: async ({ headers, body }, reply) => {
      const here = site();
      checkCookieUse({ headers, mutates: true }, here);
      const caller = await context.authenticator.byToken(body.token);
      if (caller === null) throw new Unauthorized();
      return reply
        .code(201)
        .header("set-cookie", sessionCookie(body.token, headers.host, here.port))
        .send(answerFor(caller));
    },
  });

  app.route({
    method: "DELETE",
    url: "/session",
    config: { auth: "handler" },
    schema: {
      operationId: "deleteSession",
      tags: ["tokens"],
      summary: "Sign a browser out; its token stays good elsewhere",
      security: [],
      response: answers({ 204: null }),
    },
    handler: async ({ headers }, reply) => {
      const here = site();
      checkCookieUse({ headers, mutates: true }, here);
      return reply.code(204).header("set-cookie", endedCookies(headers.host, here.port)).send();
    },
  });
}

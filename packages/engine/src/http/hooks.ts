import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { App } from "./app.ts";
import { authenticate, type Site } from "./auth/authenticate.ts";
import type { RequestObserver } from "./health.ts";
import type { Authenticator } from "./auth/authenticator.ts";
import { Draining } from "./errors.ts";
import { checkStorable } from "./json-body.ts";
import { securityHeaders } from "./security-headers.ts";

export interface HooksOptions {
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly draining: AbortSignal;
  readonly site: () => Site;
  readonly observer?: RequestObserver | undefined;
}

const readingMethods = new Set(["GET", "HEAD", "OPTIONS"]);

/** What happens to every request before its handler, and after its answer. */
export function addHooks(app: App, options: HooksOptions): void {
  const { authenticator, clock, logger, draining } = options;
  const startedAt = new WeakMap<object, number>();

  app.addHook("onRequest", async (request, reply) => {
    startedAt.set(request, clock.monotonic());
    reply.headers(securityHeaders).header("x-request-id", request.id);
    const { auth, makesWork } = request.routeOptions.config;
    if (request.is404) return;
    if (auth === undefined) {
      const { headers, method } = request;
      const mutates = !readingMethods.has(method);
      request.caller = await authenticate(authenticator, options.site(), { headers, mutates });
    }
    if (makesWork && draining.aborted) throw new Draining();
  });

  app.addHook("preValidation", async (request) => {
    checkStorable(request.query, "The query");
  });

  app.addHook("onSend", async (_request, reply) => {
    // A connection that is kept would hold up the end until somebody cuts it.
    if (draining.aborted) reply.header("connection", "close");
  });

  app.addHook("onResponse", async (request, reply) => {
    const ms = clock.monotonic() - (startedAt.get(request) ?? clock.monotonic());
    const fields = {
      request_id: request.id,
      method: request.method,
      // The pattern and not the address: what stands in a query may be a secret.
      route: request.routeOptions.url ?? null,
      status: reply.statusCode,
      ms: Math.round(ms * 10) / 10,
      // Absent where nobody was asked who he is.
      principal_id: (request.caller as typeof request.caller | undefined)?.principalId,
    };
    options.observer?.requestEnded({
      method: request.method,
      route: request.routeOptions.url ?? "none",
      status: reply.statusCode,
      durationMs: ms,
    });
    const quiet = request.routeOptions.config.auth === "open" && reply.statusCode < 400;
    if (quiet) logger.debug(fields, "request");
    else logger.info(fields, "request");
  });
}

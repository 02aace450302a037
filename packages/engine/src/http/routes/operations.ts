import type { FastifyRequest } from "fastify";
import type { App } from "../app.ts";
import { authenticate, type Site } from "../auth/authenticate.ts";
import { checkHost, isLoopbackAddress } from "../auth/origin.ts";
import type { HttpContext } from "../context.ts";
import { Forbidden } from "../errors.ts";
import type { HealthPort, MetricsPort } from "../health.ts";

/** A database that takes longer than this to say anything is not ready. */
const databaseAnswerMs = 2_000;

export interface OperationsOptions {
  readonly health: HealthPort;
  readonly metrics: MetricsPort | undefined;
  readonly site: () => Site;
}

/** What load balancers and scrapers ask for. Outside the API and its document. */
export function operationRoutes(app: App, context: HttpContext, options: OperationsOptions): void {
  app.route({
    method: "GET",
    url: "/healthz",
    config: { auth: "open" },
    schema: { hide: true },
    handler: async () => ({ status: "ok" }),
  });

  app.route({
    method: "GET",
    url: "/readyz",
    config: { auth: "open" },
    schema: { hide: true },
    handler: async (_request, reply) => {
      const checks = {
        database: (await databaseAnswers(context)) ? "ok" : "unavailable",
        worker: options.health.worker() === "lost" ? "lease_lost" : "ok",
        draining: context.draining.aborted ? "draining" : "ok",
      };
      const ready = Object.values(checks).every((check) => check === "ok");
      return reply.code(ready ? 200 : 503).send({ status: ready ? "ready" : "not_ready", checks });
    },
  });

  const { metrics } = options;
  if (metrics === undefined) return;
  app.route({
    method: "GET",
    url: "/metrics",
    config: { auth: "handler" },
    schema: { hide: true },
    handler: async (request, reply) => {
      await checkMayScrape(request, context, options.site());
      return reply.type(metrics.contentType).send(await metrics.text());
    },
  });
}

async function databaseAnswers({ database, clock }: HttpContext): Promise<boolean> {
  const asked = new AbortController();
  const answer = database
    .one({ name: "http.ready", text: "select 1" }, { operation: "http.ready", lane: "upkeep" })
    .then(
      () => true,
      () => false,
    );
  const late = clock.sleep(databaseAnswerMs, "http.ready", asked.signal).then(() => false);
  const ready = await Promise.race([answer, late]);
  asked.abort();
  return ready;
}

/**
 * Whoever is on this machine, or an administrator. A scraper brings no forwarding header: with one, the loopback
 * address is only the proxy's.
 */
async function checkMayScrape(
  request: FastifyRequest,
  context: HttpContext,
  site: Site,
): Promise<void> {
  const { headers } = request;
  const proxied = headers["x-forwarded-for"] !== undefined || headers["forwarded"] !== undefined;
  const local = isLoopbackAddress(request.socket.remoteAddress ?? "");
  if (local && !proxied && headers.authorization === undefined && headers.cookie === undefined) {
    checkHost(headers.host, { ...site, loopbackOnly: true });
    return;
  }
  const caller = await authenticate(context.authenticator, site, { headers, mutates: false });
  if (!caller.isAdmin) throw new Forbidden("Metrics are for administrators.");
}

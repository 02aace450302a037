import type { FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "../lib/logger.ts";
import type { App, Refuse } from "./app.ts";
import { MethodNotAllowed, NotFound } from "./errors.ts";
import { translateFrameworkError } from "./framework-errors.ts";
import { problemOf, problemType } from "./problem.ts";
import { securityHeaders } from "./security-headers.ts";

export interface RefuseOptions {
  readonly logger: Logger;
  readonly requestBodyBytesMax: number;
}

export function createRefuse(options: RefuseOptions): Refuse {
  return (error, request, reply) => {
    const translated = translateFrameworkError(error, options.requestBodyBytesMax);
    const problem = problemOf(translated, request.id);
    if (problem.internal) {
      options.logger.error({ err: error, request_id: request.id }, "a request failed");
    }
    return (
      reply
        .code(problem.status)
        // Again, because what is refused before its route was found has not been through the hooks.
        .headers({ ...securityHeaders, "x-request-id": request.id, ...problem.headers })
        .type(problemType)
        // As bytes: a text would get a charset, which this type does not have.
        .send(Buffer.from(JSON.stringify(problem.body)))
    );
  };
}

/**
 * Every error of every route becomes a problem document, and so do the routes that are not there.
 *
 * @param pageFor what a person is shown who opens an address that has no route; null where that is the problem document
 */
export function replyWithProblems(
  app: App,
  refuse: Refuse,
  pageFor: (request: FastifyRequest, reply: FastifyReply) => FastifyReply | null,
): void {
  const routes = new RouteTable();
  app.addHook("onRoute", (route) => routes.add(route.url, route.method));
  app.setErrorHandler(refuse);
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?", 1)[0] ?? "";
    const allowed = routes.methodsOf(path);
    if (allowed.length === 0) {
      const page = pageFor(request, reply);
      if (page !== null) return page;
    }
    const error =
      allowed.length > 0 ? new MethodNotAllowed(request.method, allowed) : new NotFound();
    return refuse(error, request, reply);
  });
}

/** Which methods a path has: what `Allow` says where the one asked for is not among them. */
class RouteTable {
  readonly #routes: { readonly pattern: RegExp; readonly methods: Set<string> }[] = [];
  readonly #byUrl = new Map<string, Set<string>>();

  add(url: string, methods: string | readonly string[]): void {
    let known = this.#byUrl.get(url);
    if (known === undefined) {
      known = new Set();
      this.#byUrl.set(url, known);
      const pattern = new RegExp(
        `^${url.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/:\w+/g, "[^/]+")}$`,
      );
      this.#routes.push({ pattern, methods: known });
    }
    for (const method of [methods].flat()) known.add(method);
  }

  methodsOf(path: string): string[] {
    const found = this.#routes.filter(({ pattern }) => pattern.test(path));
    return [...new Set(found.flatMap(({ methods }) => [...methods]))].sort();
  }
}

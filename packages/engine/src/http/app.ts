import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { fastify, type FastifyBaseLogger, type FastifyInstance } from "fastify";
import {
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import type { ZodType } from "zod";
import type { Random } from "../lib/random.ts";
import type { Caller } from "./auth/caller.ts";
import { parseJsonBody } from "./json-body.ts";

export type App = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks. Set before the handler of every route but those that are open to all. */
    caller: Caller;
  }
  interface FastifyContextConfig {
    /** Absent: a token or the cookie is needed. `handler`: the route asks by itself. `open`: nobody is asked. */
    auth?: "handler" | "open";
    /** Refused while the server drains: it makes work that would start only elsewhere. */
    makesWork?: true;
  }
}

export interface AppOptions {
  readonly random: Random;
  readonly requestBodyBytesMax: number;
  /** Check every answer against its schema. For tests: it costs more than the rest of a request. */
  readonly checkAnswers: boolean;
}

/** Long enough for any id; a longer segment is no route of ours. */
const paramCharsMax = 200;

/** A client that takes longer than this to send one request is cut off. */
const requestTimeoutMs = 60_000;

const requestIdPattern = /^[\w.:-]{1,64}$/;

/** Fastify with our body parser and validation; errors and routes are added by others. */
export function createApp(options: AppOptions): App {
  const app = fastify({
    logger: false,
    bodyLimit: options.requestBodyBytesMax,
    requestTimeout: requestTimeoutMs,
    routerOptions: { maxParamLength: paramCharsMax },
    // Only ours is an upgrade: a proxy's or curl's offer of h2c is no reason to refuse a request.
    http: {
      shouldUpgradeCallback: (request: IncomingMessage) =>
        request.headers.upgrade?.toLowerCase() === "websocket",
    },
    // Who asks while the server closes gets an answer of ours, or none.
    return503OnClosing: false,
    genReqId: (request) => requestId(request.headers["x-request-id"], options.random),
  }).withTypeProvider<ZodTypeProvider>();

  app.setValidatorCompiler<ZodType>((route) => {
    const validate = validatorCompiler(route);
    // The framework says null where there is no body; in the schemas that is "absent".
    return route.httpPart === "body" ? (body: unknown) => validate(body ?? undefined) : validate;
  });
  app.setSerializerCompiler(
    options.checkAnswers ? serializerCompiler : () => (data) => JSON.stringify(data),
  );
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => {
    try {
      done(null, parseJsonBody(body as Buffer));
    } catch (error) {
      done(error as Error, undefined);
    }
  });
  app.decorateRequest("caller");
  return app;
}

function requestId(given: string | string[] | undefined, random: Random): string {
  return typeof given === "string" && requestIdPattern.test(given) ? given : random.uuid();
}

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import {
  fastify,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from "fastify";
import {
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import type { ZodType } from "zod";
import type { ParleyError } from "../lib/errors.ts";
import type { Random } from "../lib/random.ts";
import type { Caller } from "./auth/caller.ts";
import { HeadersTooLarge, InvalidRequest, RequestTimeout } from "./errors.ts";
import { parseJsonBody } from "./json-body.ts";
import { problemOf } from "./problem.ts";
import { endWithProblem } from "./raw-problem.ts";

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

/** Answers with the problem that an error is. */
export type Refuse = (error: unknown, request: FastifyRequest, reply: FastifyReply) => FastifyReply;

export interface AppOptions {
  readonly random: Random;
  readonly requestBodyBytesMax: number;
  /** Answers what the framework refuses before it has found a route. */
  readonly refuse: Refuse;
  /** Check every answer against its schema. For tests: it costs more than the rest of a request. */
  readonly checkAnswers: boolean;
}

/** Long enough for any id; a longer segment is no route of ours. */
const paramCharsMax = 200;

/** A client that takes longer than this to send one request is cut off. */
const requestTimeoutMs = 60_000;

/** Of a request line with its headers: room for a cursor and a token, and for the cookies of others on the same host. */
const headerBytesMax = 16 * 1024;

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
      maxHeaderSize: headerBytesMax,
      shouldUpgradeCallback: (request: IncomingMessage) =>
        request.headers.upgrade?.toLowerCase() === "websocket",
    },
    // Who asks while the server closes gets an answer of ours, or none.
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => void options.refuse(error, request, reply),
    clientErrorHandler: (error, socket) => refuseNonsense(error, socket, options.random.uuid()),
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

/** What the HTTP parser gives up on never becomes a request. */
function refuseNonsense(error: NodeJS.ErrnoException, socket: Duplex, id: string): void {
  // Nobody is there to be told.
  if (error.code === "ECONNRESET" || socket.destroyed) return;
  endWithProblem(socket, problemOf(refusalOf(error.code), id), id);
}

function refusalOf(code: string | undefined): ParleyError {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return new HeadersTooLarge(headerBytesMax);
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new RequestTimeout(requestTimeoutMs);
    default:
      return new InvalidRequest("This is no HTTP request that could be read.");
  }
}

function requestId(given: string | string[] | undefined, random: Random): string {
  return typeof given === "string" && requestIdPattern.test(given) ? given : random.uuid();
}

import { limits } from "@parley/protocol";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { Answer } from "../commands/once.ts";

/** The headers of every mutating call. Where a `client_id` is given, it is the key. */
export const keyHeaders = z.looseObject({
  "idempotency-key": z.string().min(1).max(limits.idempotencyKeyCharsMax).optional(),
});

/** The key of a mutating call that makes no message of its own. */
export function idempotencyKey(request: FastifyRequest): string | undefined {
  const key = request.headers["idempotency-key"];
  return Array.isArray(key) ? key.join(",") : key;
}

export function send(reply: FastifyReply, answer: Answer<unknown>): FastifyReply {
  return reply.code(answer.status).send(answer.body ?? undefined);
}

import { errorStatuses, type ErrorCode, type Problem } from "@parley/protocol";
import { ParleyError } from "../lib/errors.ts";
import { storableJson } from "../lib/storable.ts";
import { CommitUnknown, isTransient } from "../postgres/errors.ts";
import { MethodNotAllowed } from "./errors.ts";

/** An error as it is answered: RFC 9457 problem details. */
export interface ProblemAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Problem;
  /** Ours to look at: the client learns nothing of it but the request id. */
  readonly internal: boolean;
}

export const problemType = "application/problem+json";

/** How long a client waits before it tries again what failed for a passing reason. */
const retryAfterSeconds = 1;

/** Any error, whatever threw it. What is not a refusal of ours is `internal`, with nothing of its inside. */
export function problemOf(error: unknown, requestId: string): ProblemAnswer {
  const { code, detail, details } = publicParts(error);
  const status = errorStatuses[code];
  const body: Problem = {
    type: `urn:parley:error:${code}`,
    title: titleOf(code),
    status,
    code,
    detail,
    ...(details === undefined
      ? {}
      : { details: storableJson(details) as NonNullable<Problem["details"]> }),
    request_id: requestId,
  };
  return { status, headers: headersOf(error, status), body, internal: code === "internal" };
}

interface PublicParts {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly details?: Record<string, unknown> | undefined;
}

function publicParts(error: unknown): PublicParts {
  if (error instanceof CommitUnknown) {
    const detail =
      "The connection to the database broke while this was being committed: it may have happened or not. " +
      "Send it again with the same client_id or Idempotency-Key: it takes effect once.";
    return { code: "database_unavailable", detail };
  }
  // Before the codes: a database error's message and details are about its inside.
  if (isTransient(error) || isRefusedConnection(error)) {
    return {
      code: "database_unavailable",
      detail: "The database cannot be used right now. Nothing was changed. Try again in a moment.",
    };
  }
  if (error instanceof ParleyError && isErrorCode(error.code) && error.code !== "internal") {
    return { code: error.code, detail: error.message, details: error.details };
  }
  return {
    code: "internal",
    detail: "Something went wrong inside the server. Its log has more under this request id.",
  };
}

function isRefusedConnection(error: unknown): boolean {
  return error instanceof ParleyError && error.code === "database_unavailable";
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorStatuses, code);
}

function headersOf(error: unknown, status: number): Record<string, string> {
  if (status === 503) return { "retry-after": String(retryAfterSeconds) };
  if (status === 401) return { "www-authenticate": 'Bearer realm="parley"' };
  if (error instanceof MethodNotAllowed) return { allow: error.allowed.join(", ") };
  return {};
}

/** `chat_not_found` → "Chat not found". */
function titleOf(code: string): string {
  const words = code.replaceAll("_", " ");
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

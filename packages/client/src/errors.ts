import type { ErrorCode, Json, StreamCloseReason } from "@parley/protocol";

/** The server answered with an error (`application/problem+json`), or something on the way to it did. */
export class ParleyApiError extends Error {
  override readonly name = "ParleyApiError";
  readonly status: number;
  /** A code of the API, or `unexpected_answer` where the answer was not Parley's. */
  readonly code: ErrorCode | "unexpected_answer";
  readonly detail: string;
  readonly details: Record<string, Json>;
  readonly requestId: string | undefined;
  /** How long the server asked to wait, from `Retry-After`. */
  readonly retryAfterMs: number | undefined;

  constructor(problem: {
    status: number;
    code: ErrorCode | "unexpected_answer";
    detail: string;
    details?: Record<string, Json>;
    requestId?: string | undefined;
    retryAfterMs?: number | undefined;
  }) {
    super(`${problem.code}: ${problem.detail}`);
    this.status = problem.status;
    this.code = problem.code;
    this.detail = problem.detail;
    this.details = problem.details ?? {};
    this.requestId = problem.requestId;
    this.retryAfterMs = problem.retryAfterMs;
  }
}

/** No answer came, however often it was asked. Whether the call took effect is not known. */
export class ParleyNetworkError extends Error {
  override readonly name = "ParleyNetworkError";
  readonly code = "network";
  readonly attempts: number;

  constructor(message: string, attempts: number, cause?: unknown) {
    super(message, { cause });
    this.attempts = attempts;
  }
}

/** The server ended the stream for good, and says why. */
export class StreamEndedError extends Error {
  override readonly name = "StreamEndedError";
  readonly code = "stream_ended";
  readonly reason: StreamCloseReason;

  constructor(reason: StreamCloseReason) {
    super(`the stream has ended: ${reason}`);
    this.reason = reason;
  }
}

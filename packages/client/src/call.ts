import { errorStatuses } from "@parley/protocol";
import type { ErrorCode, Problem } from "@parley/protocol";
import { ParleyApiError, ParleyNetworkError } from "./errors.ts";
import type { ClientContext } from "./options.ts";
import { sleep } from "./runtime.ts";

export interface Call {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** From the root of the server, `/api/v1` included. */
  path: string;
  query?: Record<string, string | number | boolean | readonly string[] | undefined>;
  body?: unknown;
  /** The body as it is, instead of `body`. */
  bytes?: Blob | Uint8Array<ArrayBuffer> | undefined;
  /** Instead of the client's own, for one try. */
  timeoutMs?: number | undefined;
  /** Sent as `Idempotency-Key`, the same with every try. */
  key?: string;
  signal?: AbortSignal | undefined;
}

export interface Answer {
  status: number;
  body: unknown;
}

const backoffMsMin = 250;
const backoffMsMax = 4_000;
/** A server that asks for more patience than this gets its error passed on. */
const retryAfterMsMax = 30_000;
const lostStatuses: ReadonlySet<number> = new Set([502, 503, 504]);

/**
 * One call of the API. A lost answer (no connection, 502, 503, 504, a try that takes too long) is asked for again, a
 * bounded number of times: reads change nothing, and every other call carries its key.
 *
 * @throws ParleyApiError what the server says
 * @throws ParleyNetworkError no answer
 * @throws the signal's reason, when it is aborted
 */
export async function call(context: ClientContext, request: Call): Promise<Answer> {
  const { runtime } = context;
  for (let tries = 1; ; tries++) {
    request.signal?.throwIfAborted();
    const result = await tryOnce(context, request);
    if ("answer" in result) return result.answer;
    const { error } = result;
    const waitMs = error instanceof ParleyApiError ? (error.retryAfterMs ?? 0) : 0;
    if (tries > context.retriesMax || waitMs > retryAfterMsMax) {
      if (error instanceof ParleyApiError) throw error;
      throw new ParleyNetworkError(`no answer from ${context.baseUrl}`, tries, error);
    }
    const ceiling = Math.min(backoffMsMax, backoffMsMin * 2 ** (tries - 1));
    const pauseMs = Math.max(waitMs, ceiling * (0.5 + runtime.random() / 2));
    await sleep(runtime, pauseMs, "call retry", request.signal);
  }
}

/** `error` comes back only where another try may help; everything else is thrown. */
async function tryOnce(
  context: ClientContext,
  request: Call,
): Promise<{ answer: Answer } | { error: unknown }> {
  const attempt = new AbortController();
  const cancel = () => attempt.abort(request.signal?.reason);
  request.signal?.addEventListener("abort", cancel);
  const timeoutMs = request.timeoutMs ?? context.timeoutMs;
  const timer = context.runtime.timer(timeoutMs, "call timeout", () =>
    attempt.abort(new DOMException(`no answer within ${timeoutMs} ms`, "TimeoutError")),
  );
  try {
    const token = await context.token();
    let response: Response;
    let text: string;
    try {
      response = await context.fetch(
        urlOf(context, request),
        initOf(request, token, attempt.signal),
      );
      text = await response.text();
    } catch (error) {
      request.signal?.throwIfAborted();
      return { error };
    }
    if (response.ok) return { answer: { status: response.status, body: parsed(response, text) } };
    const error = problemOf(response, text, context.runtime.wallMs());
    if (lostStatuses.has(response.status)) return { error };
    throw error;
  } finally {
    timer.cancel();
    request.signal?.removeEventListener("abort", cancel);
  }
}

export function urlOf(
  context: ClientContext,
  { path, query }: Pick<Call, "path" | "query">,
): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  const text = search.toString();
  return `${context.baseUrl}${path}${text === "" ? "" : `?${text}`}`;
}

function initOf(request: Call, token: string | undefined, signal: AbortSignal): RequestInit {
  const headers: Record<string, string> = { accept: "application/json" };
  if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
  if (request.key !== undefined) headers["idempotency-key"] = request.key;
  const init: RequestInit = { method: request.method, headers, signal };
  if (request.body !== undefined) {
    headers["content-type"] = "application/json";
    init.body = JSON.stringify(request.body);
  } else if (request.bytes !== undefined) {
    // What it is, the server finds out for itself.
    headers["content-type"] = "application/octet-stream";
    init.body = request.bytes;
  }
  return init;
}

function parsed(response: Response, text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new ParleyApiError({
      status: response.status,
      code: "unexpected_answer",
      detail: "the answer is not JSON: is this the address of a Parley server?",
    });
  }
}

/** The error of an answer that is not ok: the server's own words, or a plain sentence for a proxy's page. */
export function problemOf(response: Response, text: string, nowMs: number): ParleyApiError {
  const retryAfterMs = retryAfter(response.headers.get("retry-after"), nowMs);
  const problem = parseProblem(text);
  if (problem === null) {
    const detail = `HTTP ${response.status} ${response.statusText}`.trim();
    return new ParleyApiError({
      status: response.status,
      code: "unexpected_answer",
      detail,
      retryAfterMs,
    });
  }
  return new ParleyApiError({
    status: response.status,
    code: problem.code,
    detail: problem.detail ?? problem.title ?? problem.code,
    ...(problem.details === undefined ? {} : { details: problem.details }),
    requestId: problem.request_id ?? response.headers.get("x-request-id") ?? undefined,
    retryAfterMs,
  });
}

function parseProblem(text: string): (Partial<Problem> & { code: ErrorCode }) | null {
  try {
    const value = JSON.parse(text) as Partial<Problem> | null;
    const code = value?.code;
    return code !== undefined && Object.hasOwn(errorStatuses, code) ? { ...value, code } : null;
  } catch {
    return null;
  }
}

function retryAfter(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - nowMs;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

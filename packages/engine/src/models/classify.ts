import type { ErrorKind } from "@parley/protocol";
import { errorRows, type ErrorRow } from "./error-table.ts";
import { ModelError } from "./model-port.ts";
import { redact } from "./redact.ts";
import { isRetryableKind } from "./retry-policy.ts";
import { retryAfterMs } from "./retry-after.ts";

/** What is known of a failed call, whoever reported it. */
export interface Failure {
  /** HTTP status, of the response or as an error event names it. */
  status?: number | undefined;
  headers?: Readonly<Record<string, string>> | undefined;
  /** The error's own words: type, code, status name; of the provider or of the operating system. */
  codes: readonly string[];
  /** What the provider says, or else what we say. */
  message: string;
  /** Everything that it said, for the rows that go by text. */
  text: string;
  isHtml: boolean;
  cause?: unknown;
}

export interface ClassifyContext {
  provider: string;
  /** Wall time in ms, for a Retry-After that is a date. */
  now: number;
  /** Keys and header values that must not reach a user. */
  secrets: readonly string[];
}

/** What is searched with regular expressions is bounded: an error page may have megabytes. */
const textCharsMax = 16_384;

export function classify(failure: Failure, context: ClassifyContext): ModelError {
  const row = rowFor(failure);
  const { status } = failure;
  const after = retryAfterMs(failure.headers ?? {}, failure.text, context.now);
  const message = row.message ?? failure.message;
  return new ModelError({
    kind: row.kind,
    retryable: isRetryableKind(row.kind),
    message: redact(message === "" ? fallbackMessage(row.kind, status) : message, context.secrets),
    provider: context.provider,
    ...(status === undefined ? {} : { status_code: status }),
    ...(after === null ? {} : { retry_after_ms: after }),
    row: row.name,
    cause: loggable(failure, context.secrets),
  });
}

/**
 * The original error carries the request, with all that was said in the chat, and its message may repeat a key: what
 * goes into logs is only what it is called and its redacted words.
 */
function loggable({ cause, message, codes }: Failure, secrets: readonly string[]): Error {
  const words = cause instanceof Error ? cause.message : message;
  const error = new Error(redact(words, secrets));
  error.name = cause instanceof Error ? cause.name : "ProviderError";
  return Object.assign(error, { codes: codes.map((code) => redact(code, secrets)) });
}

/** The row of the table that decides. */
export function rowFor(failure: Failure): ErrorRow {
  const seen = { ...failure, text: failure.text.slice(0, textCharsMax) };
  return errorRows.find((row) => matches(row, seen)) ?? { name: "else", kind: "server" };
}

function matches(row: ErrorRow, { status, codes, text, isHtml }: Failure): boolean {
  const { when } = row;
  if (when === undefined) return true;
  if (when.status !== undefined && !when.status.some((range) => inRange(range, status)))
    return false;
  const { code } = when;
  if (code !== undefined && !codes.some((given) => code.test(given))) return false;
  if (when.text !== undefined && !when.text.test(text)) return false;
  return when.html === undefined || when.html === isHtml;
}

function inRange(range: number | readonly [number, number] | null, status?: number): boolean {
  if (range === null) return status === undefined;
  if (status === undefined) return false;
  return typeof range === "number" ? status === range : status >= range[0] && status <= range[1];
}

function fallbackMessage(kind: ErrorKind, status: number | undefined): string {
  const answer = status === undefined ? "The model call failed" : `The provider answered ${status}`;
  return `${answer} (${kind.replaceAll("_", " ")}).`;
}

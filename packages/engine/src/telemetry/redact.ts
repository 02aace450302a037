/** What stands where a secret stood. */
const masked = "[redacted]";

/** Shorter values would blank out half of every line ("none", "key"). */
const secretCharsMin = 6;

/** Field names whose value is a secret wherever they appear. */
const secretFields =
  /^(authorization|proxy-authorization|cookie|set-cookie|x-api-key|x-goog-api-key|api[-_]?key|token|ticket|password|secret|connectionstring|database_?url)$/i;

/** Forms in which secrets travel inside of texts: errors of libraries quote URLs and headers. */
const patterns: readonly [RegExp, string][] = [
  [/\bparley_[A-Za-z0-9_-]{20,}/g, masked],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+/gi, `$1 ${masked}`],
  [/([?&](?:token|ticket|key|api_key|access_token)=)[^&#\s"'\\]+/gi, `$1${masked}`],
  [/\b(postgres(?:ql)?:\/\/[^:/@\s"]*:)[^@\s"]+@/gi, `$1${masked}@`],
  [/\bsk-[A-Za-z0-9_-]{8,}/g, masked],
  [/\bAIza[A-Za-z0-9_-]{20,}/g, masked],
];

/** A function that blanks the given secrets, and everything that looks like one, out of a text. */
export function redactor(secrets: readonly string[]): (text: string) => string {
  // As they stand inside of JSON, and the longest first: one may be a part of another.
  const known = secrets
    .filter((secret) => secret.length >= secretCharsMin)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)])
    .toSorted((a, b) => b.length - a.length);
  return (text) => {
    let clean = text;
    for (const secret of known) clean = clean.replaceAll(secret, masked);
    for (const [pattern, replacement] of patterns) clean = clean.replace(pattern, replacement);
    return clean;
  };
}

/** Depth and size at which a field of a log line is cut: logs are no place for documents. */
const depthMax = 6;
const textCharsMax = 4_000;
const itemsMax = 50;

/** The fields of a log line: secrets by name blanked, errors in full, everything bounded. */
export function safeFields(fields: Record<string, unknown>): Record<string, unknown> {
  return safeRecord(fields, 0);
}

function safeRecord(value: object, depth: number): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value).slice(0, itemsMax)) {
    out[key] =
      secretFields.test(key) && typeof item === "string" ? masked : safeValue(item, depth + 1);
  }
  return out;
}

function safeValue(value: unknown, depth: number): unknown {
  if (typeof value === "string") return cut(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value === "function" || typeof value === "symbol") return `[${typeof value}]`;
  if (typeof value !== "object" || value === null) return value;
  if (depth > depthMax) return "[deep]";
  if (value instanceof Error) return safeError(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) {
    return value.slice(0, itemsMax).map((item: unknown) => safeValue(item, depth + 1));
  }
  return safeRecord(value, depth);
}

/**
 * Name, code, message, stack, details and what caused it. Nothing else of it: errors of database drivers and HTTP
 * clients carry row data, requests and headers in properties of their own.
 */
function safeError(error: Error, depth: number): Record<string, unknown> {
  const { code, details } = error as { code?: unknown; details?: unknown };
  return {
    type: error.name,
    ...(typeof code === "string" && { code }),
    message: cut(error.message),
    ...(typeof details === "object" && details !== null && { details: safeRecord(details, depth) }),
    ...(error.stack !== undefined && { stack: cut(error.stack) }),
    ...(error.cause !== undefined && { cause: safeValue(error.cause, depth + 1) }),
  };
}

function cut(text: string): string {
  return text.length > textCharsMax ? `${text.slice(0, textCharsMax)}…` : text;
}

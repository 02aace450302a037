import { APICallError, TypeValidationError } from "@ai-sdk/provider";
import { causes } from "../../lib/errors.ts";
import type { Failure } from "../classify.ts";

/** An answer with a success status that is no stream: a web page, or an error in JSON. */
export class NotAStream extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;

  constructor(status: number, headers: Readonly<Record<string, string>>, body: string) {
    super("The provider's answer is not a stream.");
    this.name = "NotAStream";
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}

/** The stream ended although the reply had not. */
export class StreamCut extends Error {
  readonly code = "stream_cut";

  constructor() {
    super("The provider's stream ended before the reply was complete.");
    this.name = "StreamCut";
  }
}

/** Reads what an adapter, a socket or an error event reports into the one shape that is classified. */
export function failureOf(error: unknown): Failure {
  const chain = causes(error);
  const notAStream = chain.find((cause) => cause instanceof NotAStream);
  if (notAStream !== undefined) {
    const { status, headers, body } = notAStream;
    return ofResponse(status, headers, body, error);
  }
  const call = chain.find((cause) => APICallError.isInstance(cause));
  const body = call?.responseBody ?? "";
  if (call !== undefined && (body !== "" || isFailureStatus(call.statusCode))) {
    return ofResponse(call.statusCode, call.responseHeaders ?? {}, body, error);
  }
  // A chunk that fits no schema may still be the provider's way to report an error.
  const invalid = chain.find((cause) => TypeValidationError.isInstance(cause));
  const reported = isRecord(invalid?.value) && "error" in invalid.value ? invalid.value : error;
  if (isRecord(reported) && !(reported instanceof Error)) return ofEvent(reported, error);
  if (typeof reported === "string") return ofEvent({ message: reported }, error);
  const codes = chain.flatMap((cause) => (cause instanceof Error ? codesOfError(cause) : []));
  const message = error instanceof Error ? error.message : "";
  return { codes, message, text: message, isHtml: false, cause: error };
}

/** Whether an error event says no more than that a chunk was not understood: that is skipped, not fatal. */
export function isUnknownChunk(error: unknown): boolean {
  if (!TypeValidationError.isInstance(error)) return false;
  return !(
    isRecord(error.value) &&
    error.value["error"] !== undefined &&
    error.value["error"] !== null
  );
}

function isFailureStatus(status: number | undefined): boolean {
  return status !== undefined && (status < 200 || status > 299);
}

function ofResponse(
  status: number | undefined,
  headers: Readonly<Record<string, string>>,
  body: string,
  cause: unknown,
): Failure {
  const json = parsed(body);
  const said = isRecord(json) || Array.isArray(json) ? saidBy(json) : null;
  const isHtml =
    said === null && (/^\s*</.test(body) || (headers["content-type"] ?? "").includes("html"));
  // An error inside a success is judged by its own status, where it names one.
  const isError = isFailureStatus(status);
  return {
    status: isError || isHtml ? status : (said?.status ?? undefined),
    headers,
    codes: said?.codes ?? [],
    message: said?.message ?? (isHtml ? "" : body.slice(0, 2_000)),
    text: body,
    isHtml,
    cause,
  };
}

function ofEvent(event: Record<string, unknown>, cause: unknown): Failure {
  const said = saidBy(event);
  return {
    status: said.status,
    codes: said.codes,
    message: said.message ?? "",
    text: `${said.message ?? ""} ${safeText(event)}`,
    isHtml: false,
    cause,
  };
}

interface Said {
  codes: string[];
  message: string | undefined;
  status: number | undefined;
}

/** How deep errors are wrapped in errors: `{response: {error: {error: …}}}`, or JSON in a message. */
const wrappedMax = 5;

/** The innermost error's words, and the codes of all layers around it. */
function saidBy(value: unknown): Said {
  const said: Said = { codes: [], message: undefined, status: undefined };
  let layer: unknown = Array.isArray(value) ? value[0] : value;
  for (let depth = 0; depth < wrappedMax && isRecord(layer); depth++) {
    for (const key of ["type", "code", "status", "reason", "error_type", "error_code"] as const) {
      const word = layer[key];
      if (typeof word === "string" && !/^(error|response\.failed)$/.test(word))
        said.codes.push(word);
    }
    for (const key of ["status", "statusCode", "code", "status_code"] as const) {
      const status = Number(layer[key]);
      if (Number.isInteger(status) && status >= 400 && status <= 599) said.status ??= status;
    }
    for (const key of ["message", "detail", "error", "msg"] as const) {
      const words = layer[key];
      if (typeof words === "string" && words !== "") {
        said.message = words;
        break;
      }
    }
    const inner = layer["error"] ?? layer["response"] ?? layer["data"];
    layer = Array.isArray(inner) ? inner[0] : inner;
  }
  return said;
}

const bugs: ReadonlySet<string> = new Set([
  "TypeError",
  "RangeError",
  "ReferenceError",
  "AssertionFailed",
]);

function codesOfError(error: Error): string[] {
  const code = "code" in error && typeof error.code === "string" ? [error.code] : [];
  const isNamed = error.name.startsWith("AI_") || bugs.has(error.name);
  return isNamed ? [...code, error.name] : code;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function safeText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    return "";
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

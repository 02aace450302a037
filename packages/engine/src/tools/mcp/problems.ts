import {
  ProtocolError,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { causes, ParleyError } from "../../lib/errors.ts";
import { storableText } from "../../lib/storable.ts";
import { HostRefused } from "./reach.ts";

const problemCharsMax = 300;

/** A call that was not sent: its server cannot be reached. */
export class ServerUnreachable extends ParleyError {
  constructor(server: string, problem: string) {
    super(
      "tool_server_unreachable",
      `The tool server "${server}" cannot be reached now (${problem}). The call was not made. Go on without it, or try again later.`,
    );
  }
}

/** A call that was sent, and whose outcome nobody knows. */
class CallOutcomeUnknown extends ParleyError {
  constructor(server: string, problem: string) {
    super(
      "tool_outcome_unknown",
      `The connection to the tool server "${server}" broke during the call (${problem}): it may have taken effect or not. Check before you call it again.`,
    );
  }
}

/** What is wrong with a server, in a few words that hold neither address nor credentials. */
export function problemOf(error: unknown, secrets: readonly string[] = []): string {
  return withoutSecrets(rawProblemOf(error), secrets);
}

function withoutSecrets(text: string, secrets: readonly string[]): string {
  const masked = secrets.reduce((clean, secret) => clean.replaceAll(secret, "…"), text);
  return storableText(masked.replace(/\s+/g, " ")).slice(0, problemCharsMax);
}

function rawProblemOf(error: unknown): string {
  const chain = causes(error);
  const status = chain.find((each) => each instanceof SdkHttpError)?.status;
  if (status === 401 || chain.some((each) => each instanceof UnauthorizedError)) {
    return "it refuses the credentials";
  }
  if (status !== undefined) return `it answers with HTTP status ${status}`;
  const refused = chain.find((each) => each instanceof HostRefused);
  if (refused !== undefined) return refused.message;
  for (const each of chain) {
    const { code } = each as NodeJS.ErrnoException;
    if (typeof code === "string" && Object.hasOwn(systemProblems, code)) {
      return systemProblems[code] ?? code;
    }
    if (each instanceof SdkError && each.code === SdkErrorCode.RequestTimeout) {
      return "it did not answer in time";
    }
    if (each instanceof SdkError && each.code === SdkErrorCode.ConnectionClosed) {
      return "it closed the connection";
    }
  }
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/\bhttps?:\/\/\S+/gi, "…");
}

const systemProblems: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "its host is unknown",
  EAI_AGAIN: "its host cannot be looked up",
  ECONNRESET: "it closed the connection",
  ETIMEDOUT: "it did not answer in time",
  UND_ERR_CONNECT_TIMEOUT: "it did not answer in time",
  UND_ERR_HEADERS_TIMEOUT: "it did not answer in time",
  UND_ERR_BODY_TIMEOUT: "it did not answer in time",
  UND_ERR_SOCKET: "it closed the connection",
  ENOENT: "its program cannot be found",
  EACCES: "its program cannot be run",
  EPIPE: "it closed the connection",
};

/** What a model is told of a call that got no result. */
export function callFailure(server: string, error: unknown, secrets: readonly string[]): Error {
  if (error instanceof ServerUnreachable) return error;
  if (error instanceof ProtocolError) {
    const why = withoutSecrets(error.message, secrets);
    return new Error(`The tool server refused the call: ${why}`);
  }
  const problem = problemOf(error, secrets);
  return mayHaveRun(error)
    ? new CallOutcomeUnknown(server, problem)
    : new ServerUnreachable(server, problem);
}

const neverSent: readonly unknown[] = [
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  SdkErrorCode.NotConnected,
];

function mayHaveRun(error: unknown): boolean {
  const chain = causes(error);
  if (chain.some((each) => each instanceof HostRefused)) return false;
  if (chain.some((each) => neverSent.includes((each as NodeJS.ErrnoException).code))) return false;
  const status = chain.find((each) => each instanceof SdkHttpError)?.status;
  return status === undefined || status >= 500;
}

import { createHash } from "node:crypto";

/** How a server is to be told who asks. */
export type McpAuth =
  | { readonly type: "bearer"; readonly token: string }
  /** Read again for each request: something else rotates it. */
  | { readonly type: "bearer_file"; readonly path: string }
  /** OAuth for machines: the token is fetched from the authorization server that the MCP server names. */
  | {
      readonly type: "client_credentials";
      readonly clientId: string;
      readonly clientSecret: string;
      readonly scope: string | null;
      /** The only authorization server that may be shown the secret. */
      readonly issuer: string;
    };

export interface HttpEndpoint {
  readonly type: "http";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly auth: McpAuth | null;
  /**
   * A chat brought it along: it may be where `Reach` says, and nowhere else. Part of what connections are shared by, so
   * that no chat is given one that the deployment has made.
   */
  readonly guarded?: true;
}

export interface StdioEndpoint {
  readonly type: "stdio";
  readonly command: string;
  readonly args: readonly string[];
  /** Added to PATH, HOME and the like, which are all that the process gets otherwise. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | null;
}

export type McpEndpoint = HttpEndpoint | StdioEndpoint;

/** Which calls a person must approve first. What a server says of its own tools decides only where it is asked for. */
export type McpApproval = "never" | "always" | "unless_read_only";

/** One MCP server as it is configured, for the deployment or for one chat. Plain data. */
export interface McpServerDefinition {
  /** Stands before `__` in the names of its tools: `^[a-zA-Z0-9]([a-zA-Z0-9_-]*[a-zA-Z0-9])?$`, without `__`, up to 32. */
  readonly name: string;
  readonly endpoint: McpEndpoint;
  /** Names as the server gives them; `*` stands for anything. Null: all. */
  readonly allow: readonly string[] | null;
  /** Wins over `allow`. */
  readonly deny: readonly string[];
  readonly approval: McpApproval;
  /** `annotated`: at least once for tools that the server calls read-only or idempotent, at most once for the others. */
  readonly delivery: "annotated" | "at_most_once" | "at_least_once";
  readonly timeoutMs: number;
  readonly outputBytesMax: number;
}

/** Shorter ones would blank out half of every text. */
const secretCharsMin = 6;

/** What must not be in a text that people or models read: a server may repeat what it was sent. The longest come first. */
export function endpointSecrets(endpoint: McpEndpoint): string[] {
  const secrets = endpoint.type === "http" ? httpSecrets(endpoint) : Object.values(endpoint.env);
  return secrets
    .filter((secret) => secret.length >= secretCharsMin)
    .toSorted((a, b) => b.length - a.length);
}

function httpSecrets({ url, headers, auth }: HttpEndpoint): string[] {
  const query = URL.canParse(url) ? [...new URL(url).searchParams.values()] : [];
  const own =
    auth?.type === "bearer"
      ? [auth.token]
      : auth?.type === "client_credentials"
        ? [auth.clientSecret]
        : [];
  return [...query, ...Object.values(headers), ...own];
}

/** Connections are shared by everybody who asks for the same endpoint with the same credentials. */
export function endpointHash(endpoint: McpEndpoint): string {
  return createHash("sha256")
    .update(JSON.stringify(sorted(endpoint)))
    .digest("base64url");
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, item]) => [key, sorted(item)]);
}

/** Whether a definition lets models have a tool, by the name that the server gives it. */
export function isAllowed({ allow, deny }: McpServerDefinition, tool: string): boolean {
  if (deny.some((pattern) => fits(pattern, tool))) return false;
  return allow === null || allow.some((pattern) => fits(pattern, tool));
}

/** Only `*` means something, so that no pattern is slow. */
function fits(pattern: string, name: string): boolean {
  const pieces = pattern.split("*");
  const first = pieces[0] ?? "";
  if (pieces.length === 1) return name === pattern;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = name.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  const last = pieces.at(-1) ?? "";
  return name.length - last.length >= at && name.endsWith(last);
}

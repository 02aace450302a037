import { z } from "zod";
import { limits } from "./limits.ts";

/** MCP servers that a chat brings along: what is given, secrets included, and what is shown of it again. */

const line = z.string().regex(/^[^\0\r\n]*$/, "must be one line");
const secret = line.min(1).max(limits.mcpSecretCharsMax);
const toolPattern = z.string().min(1).max(256);
const httpUrl = z
  .url({ protocol: /^https?$/ })
  .max(limits.urlCharsMax)
  .refine((url) => !URL.canParse(url) || isBare(new URL(url)), {
    message: "must hold neither a user nor a fragment",
  });

function isBare({ username, password, hash }: URL): boolean {
  return username === "" && password === "" && hash === "";
}

/** Headers that frame a request, or that the protocol itself sets. */
const reservedHeaders: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "connection",
  "content-length",
  "content-type",
  "expect",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const headerName = z
  .string()
  .max(100)
  .regex(/^[A-Za-z0-9_-]+$/, "letters, digits, - and _ only")
  .refine((name) => !/^(?:mcp|proxy)-/i.test(name) && !reservedHeaders.has(name.toLowerCase()), {
    message: "is set by the server itself",
  });

export const mcpServerNameSchema = z
  .string()
  .max(32)
  .regex(/^[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?$/, "must be letters, digits, - and _")
  .refine((name) => !name.includes("__"), "must not hold two underscores in a row");

const approval = z.enum(["never", "always", "unless_read_only"]);
const delivery = z.enum(["annotated", "at_most_once", "at_least_once"]);

export const mcpServerSchema = z
  .strictObject({
    /** Stands before `__` in the names of its tools. */
    name: mcpServerNameSchema,
    /** Streamable HTTP. What follows a `?` is a secret, like headers and tokens: it is never shown again. */
    url: httpUrl,
    headers: z
      .record(headerName, line.max(limits.mcpSecretCharsMax))
      .refine((headers) => Object.keys(headers).length <= limits.mcpHeadersMax, {
        message: `at most ${limits.mcpHeadersMax} headers`,
      })
      .optional(),
    /** A bearer token. Not together with `oauth`. */
    token: secret.optional(),
    /** The token is fetched with the client credentials, from this issuer and no other. */
    oauth: z
      .strictObject({
        issuer: httpUrl,
        client_id: secret,
        client_secret: secret,
        scope: line.min(1).max(1_000).optional(),
      })
      .optional(),
    /** Names of tools as the server gives them; `*` stands for anything. Absent: all. */
    allow: z.array(toolPattern).max(limits.mcpPatternsMax).optional(),
    /** Wins over `allow`. */
    deny: z.array(toolPattern).max(limits.mcpPatternsMax).optional(),
    /** Which calls a person must approve. Default `never`. */
    approval: approval.optional(),
    /** Default `annotated`: at least once for tools that the server calls read-only or idempotent, else at most once. */
    delivery: delivery.optional(),
    /** For one call. Default 60. */
    timeout_seconds: z.int().min(1).max(3_600).optional(),
    /** Of text in one result. Default 65536. */
    output_bytes: z
      .int()
      .min(1_024)
      .max(1024 * 1024)
      .optional(),
  })
  .refine(({ token, oauth }) => token === undefined || oauth === undefined, {
    message: "token and oauth exclude each other",
  });

export const mcpServersSchema = z
  .array(mcpServerSchema)
  .max(limits.mcpServersMax)
  .refine((servers) => new Set(servers.map(({ name }) => name)).size === servers.length, {
    message: "server names must differ",
  })
  .refine(
    (servers) =>
      new TextEncoder().encode(JSON.stringify(servers)).length <= limits.mcpServersBytesMax,
    { message: `at most ${limits.mcpServersBytesMax} bytes` },
  );

/** As a chat shows it: nothing secret, and everything with its default. */
export const chatMcpServerSchema = z.object({
  name: z.string(),
  /** Without its query. */
  url: z.string(),
  /** The names of the headers, in lower case. */
  headers: z.array(z.string()),
  auth: z.enum(["none", "bearer", "client_credentials"]),
  allow: z.array(z.string()).nullable(),
  deny: z.array(z.string()),
  approval,
  delivery,
  timeout_seconds: z.int(),
  output_bytes: z.int(),
});

/** Something about a chat's surroundings that people should know. It stands until it is over. */
export const chatNoticeSchema = z.object({
  /** The model works without this server's tools, or with those that it had last; a call of one may fail. */
  kind: z.literal("tool_server_down"),
  /** Its name: one of the chat's `mcp_servers`, or one of the deployment's. */
  server: z.string(),
  /** In a few words, without addresses or secrets. */
  problem: z.string(),
  since: z.iso.datetime(),
});

export type McpServer = z.infer<typeof mcpServerSchema>;
export type ChatMcpServer = z.infer<typeof chatMcpServerSchema>;
export type ChatNotice = z.infer<typeof chatNoticeSchema>;

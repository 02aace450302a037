import { z } from "zod";
import type { McpAuth, McpServerDefinition } from "../tools/mcp/definition.ts";
import { place, readJsonList } from "./json-list.ts";
import type { Surroundings } from "./setting.ts";

const timeoutDefaultSeconds = 60;
const timeoutMaxSeconds = 3_600;
const outputDefaultBytes = 64 * 1024;
const outputMaxBytes = 4 * 1024 * 1024;

const variableName = z.string().regex(/^[A-Za-z_]\w*$/, "must be the name of a variable");
const headerName = z.string().regex(/^[\w-]+$/);
const line = z.string().regex(/^[^\0\r\n]*$/, "must be one line");

const common = {
  name: z
    .string()
    .max(32)
    .regex(/^[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?$/, "must be letters, digits, - and _")
    .refine((name) => !name.includes("__"), "must not hold two underscores in a row"),
  allow: z.array(z.string().min(1)).optional(),
  deny: z.array(z.string().min(1)).default([]),
  approval: z.enum(["never", "always", "unless_read_only"]).default("never"),
  delivery: z.enum(["annotated", "at_most_once", "at_least_once"]).default("annotated"),
  timeout_seconds: z.number().min(1).max(timeoutMaxSeconds).default(timeoutDefaultSeconds),
  output_bytes: z.int().min(1_024).max(outputMaxBytes).default(outputDefaultBytes),
};

const httpSchema = z.strictObject({
  ...common,
  url: z.url({ protocol: /^https?$/ }),
  headers: z.record(headerName, line).default({}),
  headers_env: z.record(headerName, variableName).default({}),
  token: line.min(1).optional(),
  token_env: variableName.optional(),
  token_file: z.string().min(1).optional(),
  oauth: z
    .strictObject({
      issuer: z.url({ protocol: /^https?$/ }),
      client_id: line.min(1),
      client_secret: line.min(1).optional(),
      client_secret_env: variableName.optional(),
      scope: line.min(1).optional(),
    })
    .optional(),
});

const stdioSchema = z.strictObject({
  ...common,
  command: z.string().min(1),
  args: z.array(z.string()).default([]),
  env: z.record(variableName, z.string()).default({}),
  env_from: z.array(variableName).default([]),
  cwd: z.string().min(1).optional(),
});

type HttpRow = z.infer<typeof httpSchema>;
type StdioRow = z.infer<typeof stdioSchema>;

/** `text` is the JSON itself or the path of a file with it. Problems never quote a value: it may hold keys. */
export function parseMcpServers(
  text: string,
  env: Surroundings["env"],
  readFile: (path: string) => string,
): { servers: McpServerDefinition[]; problems: string[] } {
  const read = readJsonList(text, readFile);
  if ("problem" in read) return { servers: [], problems: [read.problem] };
  const rows = z.array(z.unknown()).safeParse(read.json);
  if (!rows.success) return { servers: [], problems: ["is no JSON array"] };
  const problems: string[] = [];
  const servers = rows.data.flatMap((row, at): McpServerDefinition[] => {
    // By hand, so that what is said is about the kind of server that is meant.
    const isStdio = typeof row === "object" && row !== null && "command" in row;
    const parsed = isStdio ? stdioSchema.safeParse(row) : httpSchema.safeParse(row);
    if (!parsed.success) {
      const { issues } = parsed.error;
      problems.push(...issues.map(({ path, message }) => `${place([at, ...path])}${message}`));
      return [];
    }
    const { data } = parsed;
    const lookUp = lookUpIn(env, data.name, problems);
    return [
      {
        name: data.name,
        endpoint: "command" in data ? stdioOf(data, lookUp) : httpOf(data, lookUp, problems),
        allow: data.allow ?? null,
        deny: data.deny,
        approval: data.approval,
        delivery: data.delivery,
        timeoutMs: data.timeout_seconds * 1_000,
        outputBytesMax: data.output_bytes,
      },
    ];
  });
  if (new Set(servers.map(({ name }) => name)).size !== servers.length) {
    problems.push("two servers have the same name");
  }
  return { servers, problems };
}

type LookUp = (variable: string) => string;

function lookUpIn(env: Surroundings["env"], server: string, problems: string[]): LookUp {
  return (variable) => {
    const value = env[variable];
    if (value === undefined || value === "") {
      problems.push(`${server}: the variable ${variable} is not set`);
    }
    return value ?? "";
  };
}

function httpOf(row: HttpRow, lookUp: LookUp, problems: string[]): McpServerDefinition["endpoint"] {
  const auths = authsOf(row, lookUp, problems);
  if (auths.length > 1) {
    problems.push(`${row.name}: token, token_env, token_file and oauth exclude each other`);
  }
  const fromEnv = Object.entries(row.headers_env).map(
    ([name, from]) => [name, lookUp(from)] as const,
  );
  return {
    type: "http",
    url: row.url,
    headers: { ...row.headers, ...Object.fromEntries(fromEnv) },
    auth: auths[0] ?? null,
  };
}

function authsOf({ name, ...row }: HttpRow, lookUp: LookUp, problems: string[]): McpAuth[] {
  const auths: McpAuth[] = [];
  if (row.token !== undefined) auths.push({ type: "bearer", token: row.token });
  if (row.token_env !== undefined) auths.push({ type: "bearer", token: lookUp(row.token_env) });
  if (row.token_file !== undefined) auths.push({ type: "bearer_file", path: row.token_file });
  if (row.oauth !== undefined) {
    const { issuer, client_id, client_secret, client_secret_env, scope = null } = row.oauth;
    const secret = client_secret_env === undefined ? client_secret : lookUp(client_secret_env);
    if (secret === undefined) {
      problems.push(`${name}: oauth needs client_secret or client_secret_env`);
    }
    auths.push({
      type: "client_credentials",
      issuer,
      clientId: client_id,
      clientSecret: secret ?? "",
      scope,
    });
  }
  return auths;
}

function stdioOf(row: StdioRow, lookUp: LookUp): McpServerDefinition["endpoint"] {
  const passed = row.env_from.map((name) => [name, lookUp(name)] as const);
  return {
    type: "stdio",
    command: row.command,
    args: row.args,
    env: { ...row.env, ...Object.fromEntries(passed) },
    cwd: row.cwd ?? null,
  };
}

/** What of the servers must never be printed. */
export function mcpSecrets(servers: readonly McpServerDefinition[]): string[] {
  return servers.flatMap(({ endpoint }) => {
    if (endpoint.type === "stdio") return Object.values(endpoint.env);
    const { headers, auth } = endpoint;
    const own =
      auth?.type === "bearer"
        ? [auth.token]
        : auth?.type === "client_credentials"
          ? [auth.clientSecret]
          : [];
    return [...Object.values(headers), ...own];
  });
}

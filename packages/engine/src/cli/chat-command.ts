import { readFile } from "node:fs/promises";
import { jsonObjectSchema, type ResponseFormat } from "@parley/protocol";
import type { Config } from "../config.ts";
import { runChat } from "./chat/run-chat.ts";
import type { CliContext } from "./context.ts";
import { DataFolder, type ServerRecord } from "./data-folder.ts";
import { CliError, exitCodes } from "./exit.ts";

interface ChatFlags {
  url?: string;
  token?: string;
  chat?: string;
  model?: string;
  schema?: string;
}

/** `parley chat`: finds the server and the token, the rest is an ordinary client. */
export async function chat(config: Config, context: CliContext, flags: ChatFlags): Promise<number> {
  const { stdin, stdout, stderr, clock } = context;
  const responseFormat = flags.schema === undefined ? null : await readSchema(flags.schema);
  const { baseUrl, token } = await findServer(config, context, flags);
  return await runChat({
    baseUrl,
    token,
    chatId: flags.chat,
    model: flags.model,
    responseFormat,
    input: stdin,
    output: stdout,
    errorOutput: stderr,
    isTTY: stdin.isTTY && stdout.isTTY,
    clock,
    interrupts: (heard) => context.onSignal(["SIGINT"], heard),
  });
}

/** Whether it is a schema that can be used, the server says. */
async function readSchema(path: string): Promise<ResponseFormat> {
  try {
    const schema = jsonObjectSchema.parse(JSON.parse(await readFile(path, "utf8")));
    return { type: "json_schema", schema };
  } catch (cause) {
    const why = cause instanceof SyntaxError ? `it is no JSON: ${cause.message}` : reasonOf(cause);
    throw new CliError(`--schema ${path}: ${why}.`, { exitCode: exitCodes.usage, cause });
  }
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return typeof code === "string" ? `it cannot be read (${code})` : "it is no JSON object";
}

async function findServer(
  config: Config,
  context: CliContext,
  flags: ChatFlags,
): Promise<{ baseUrl: string; token: string }> {
  const folder = new DataFolder(config.dataDir, context.random);
  const asked = flags.url ?? nonEmpty(context.env["PARLEY_URL"]);
  const baseUrl = asked === undefined ? undefined : originOf(asked);
  const servers = await folder.servers();
  const server = baseUrl === undefined ? servers[0] : servers.find(({ url }) => url === baseUrl);
  const token = flags.token ?? tokenIn(asked) ?? config.token ?? server?.token ?? null;
  const url = baseUrl ?? server?.url;
  if (url === undefined) {
    throw new CliError(
      `No server runs on the data folder ${config.dataDir}.\n` +
        'Start one with "parley serve", or name one with --url (and --token).',
    );
  }
  // A server elsewhere is given the folder's token only when it is this folder's own server.
  if (token === null) throw missingToken(url, server);
  return { baseUrl: url, token };
}

function missingToken(url: string, server: ServerRecord | undefined): CliError {
  const why =
    server === undefined ? "is not a server of this data folder" : "was started without one";
  return new CliError(
    `There is no token for ${url}: it ${why}.\n` +
      'Give one with --token or PARLEY_TOKEN; "parley token create" makes one.',
    { exitCode: exitCodes.usage },
  );
}

/** The printed URL with `?token=` in it may be pasted as it is. */
function originOf(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new CliError(`--url ${text}: must be a URL that begins with http:// or https://.`, {
      exitCode: exitCodes.usage,
    });
  }
  const { origin, pathname } = new URL(text);
  return `${origin}${pathname}`.replace(/\/+$/, "");
}

function tokenIn(url: string | undefined): string | null {
  return url === undefined ? null : new URL(url).searchParams.get("token");
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

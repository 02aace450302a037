import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { serveTools } from "../../tools/mcp/serve-tools.ts";
import { openWorkspace, type Workspace } from "../../tools/workspace/workspace.ts";
import { workspaceTools } from "../../tools/workspace/workspace-tools.ts";
import { tell, type CliContext } from "../context.ts";
import { CliError, exitCodes } from "../exit.ts";
import { version } from "../version.ts";
import { serveHttp } from "./http-server.ts";

export interface WorkspaceCommandOptions {
  readonly http?: boolean;
  readonly host: string;
  readonly port: number;
  readonly commands: boolean;
  readonly sandbox: "auto" | "require" | "off";
  readonly network: boolean;
  readonly read: readonly string[];
  readonly pass: readonly string[];
}

/** What every program expects to find; whatever else a command is to see must be named. */
const passedAlways = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "TMPDIR"];

const tokenBytes = 32;
const messageBytesMax = 32 * 1024 * 1024;

/** `parley workspace DIR`: serves one folder until it is told to end, and gives the exit code. */
export async function workspace(
  folder: string,
  options: WorkspaceCommandOptions,
  context: CliContext,
): Promise<number> {
  const opened = await open(folder, options, context);
  try {
    sayHow(opened, options, context);
    const tools = workspaceTools(opened);
    const { clock, random } = context;
    const factory = () =>
      serveTools({
        name: "parley-workspace",
        version,
        instructions: `Files and commands of the folder ${opened.root.path}. Paths are relative to it.`,
        tools,
        clock,
        random,
      });
    await (options.http === true
      ? untilSignal(factory, options, context)
      : untilInputEnds(factory, context));
    return exitCodes.ok;
  } finally {
    await opened.close();
  }
}

type Factory = () => ReturnType<typeof serveTools>;

async function untilInputEnds(factory: Factory, context: CliContext): Promise<void> {
  const { stdin, stdout } = context;
  const transport = new StdioServerTransport(stdin, stdout, { maxBufferSize: messageBytesMax });
  const handle = serveStdio(factory, { transport });
  const over = Promise.withResolvers<void>();
  stdin.once("end", over.resolve).once("close", over.resolve);
  const off = context.onSignal(endSignals, () => over.resolve());
  try {
    await over.promise;
  } finally {
    off();
    await handle.close();
  }
}

async function untilSignal(
  factory: Factory,
  { host, port }: WorkspaceCommandOptions,
  context: CliContext,
): Promise<void> {
  const configured = context.env["PARLEY_WORKSPACE_TOKEN"] ?? "";
  const made = Buffer.from(context.random.bytes(tokenBytes)).toString("base64url");
  const token = configured === "" ? made : configured;
  const over = Promise.withResolvers<void>();
  // Before it listens: who is told of an address may want to end it at once.
  const off = context.onSignal(endSignals, () => over.resolve());
  try {
    const onError = (error: unknown): void => {
      tell(context, error instanceof Error ? error.message : String(error));
    };
    const server = await listen(
      async () => await serveHttp(factory, { host, port, token, onError }),
    );
    tell(context, `serving at ${server.url}`);
    if (configured === "")
      tell(context, `token ${made} (set PARLEY_WORKSPACE_TOKEN to choose one)`);
    await over.promise;
    await server.close();
  } finally {
    off();
  }
}

async function listen<T>(fn: () => Promise<T>): Promise<T> {
  try {
    return await fn();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(`Cannot listen: ${reason}`, { cause });
  }
}

const endSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

async function open(
  folder: string,
  options: WorkspaceCommandOptions,
  context: CliContext,
): Promise<Workspace> {
  const { env, clock, random } = context;
  const passed = [...passedAlways, ...options.pass].flatMap((name): [string, string][] => {
    const value = env[name];
    return value === undefined ? [] : [[name, value]];
  });
  let opened: Workspace;
  try {
    opened = await openWorkspace({
      folder,
      env: { TERM: "dumb", ...Object.fromEntries(passed) },
      commands: options.commands,
      bubblewrap: options.sandbox !== "off",
      network: options.network,
      readable: options.read,
      clock,
      random,
    });
  } catch (cause) {
    throw new CliError(`${folder} is no folder that can be used.`, { cause });
  }
  if (options.commands && options.sandbox === "require" && opened.sandbox.bubblewrap === null) {
    await opened.close();
    throw new CliError(
      "Commands cannot be confined: bubblewrap (bwrap) is not installed, or may not make namespaces here.",
    );
  }
  return opened;
}

function sayHow(
  { root, processes, sandbox }: Workspace,
  { network }: WorkspaceCommandOptions,
  context: CliContext,
): void {
  const confined = sandbox.bubblewrap !== null;
  const commands =
    processes === null
      ? "commands are off"
      : confined
        ? `commands run under bubblewrap${network ? "" : ", without network"}`
        : "commands run as this account and are NOT confined to the folder (no bubblewrap)";
  tell(context, `workspace ${root.path}; ${commands}`);
  if (processes !== null && !confined && !network) {
    tell(context, "--no-network has no effect without bubblewrap");
  }
}

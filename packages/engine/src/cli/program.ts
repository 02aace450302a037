import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { settingKeys } from "../config/load.ts";
import type { SettingKey } from "../config/settings.ts";
import { tell, type CliContext } from "./context.ts";
import { exitCodes, explain } from "./exit.ts";
import { addSettingFlags, configOf } from "./settings-flags.ts";
import { version } from "./version.ts";

/** What every command but `chat` needs to find the database. */
const databaseKeys: readonly SettingKey[] = [
  "dataDir",
  "databaseUrl",
  "databaseDirectUrl",
  "postgresBinDir",
  "statementTimeoutMs",
  "lockTimeoutMs",
  "logLevel",
  "logFormat",
];

/** Runs the command line and gives the exit code. Says what is wrong itself; never throws. */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  let exitCode: number = exitCodes.ok;
  const program = createProgram(context, (code) => (exitCode = code));
  try {
    await program.parseAsync([...args], { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      // It has said what it had to say; help and version are no errors.
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    }
    const { lines, exitCode: code } = explain(error);
    for (const line of lines) tell(context, line);
    return code;
  }
}

type Finish = (exitCode: number) => void;

function createProgram(context: CliContext, finish: Finish): Command {
  const program = new Command("parley");
  program
    .description("A self-hosted engine for AI chats and agents.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .showSuggestionAfterError()
    .showHelpAfterError("Add --help to see what there is.")
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text.replace(/^error: /, "parley: ")),
      getOutHelpWidth: () => context.stdout.columns ?? helpColumns,
      getErrHelpWidth: () => context.stderr.columns ?? helpColumns,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride()
    .addHelpText(
      "after",
      "\nSettings are environment variables or flags: see docs/configuration.md.\n" +
        "Exit codes: 0 well, 1 failed, 2 wrong command line or settings, 130 interrupted.",
    );
  addServe(program, context, finish);
  addCluster(program, context, finish);
  addChat(program, context, finish);
  addToken(program, context);
  addMigrate(program, context, finish);
  addDoctor(program, context, finish);
  addWorkspace(program, context, finish);
  return program;
}

const helpColumns = 100;

// The commands are loaded when they are run: `--help` and `chat` need neither the server nor a database driver.

function addServe(program: Command, context: CliContext, finish: Finish): void {
  const command = program.command("serve").description("run the server");
  addSettingFlags(command);
  command.action(async () => {
    const { config } = configOf(command, context);
    const [{ serve }, { createEngine }] = await Promise.all([
      import("./serve.ts"),
      import("../engine.ts"),
    ]);
    finish(await serve(config, context, createEngine));
  });
}

function addCluster(program: Command, context: CliContext, finish: Finish): void {
  const command = program
    .command("cluster")
    .description(
      "run several servers behind one address on this machine, to try what happens when some die",
    )
    .option("--replicas <number>", "how many", parseReplicas, replicasDefault)
    .option("--restart", "start again what dies");
  const own = new Set(command.options);
  addSettingFlags(command);
  command.action(async () => {
    const { config } = configOf(command, context);
    const { replicas, restart = false } = command.opts<{ replicas: number; restart?: boolean }>();
    const flags = command.options
      .filter((option) => !own.has(option))
      .map((option) => [option.long ?? "", option.attributeName()] as const)
      .filter(([, name]) => command.getOptionValueSource(name) === "cli")
      .flatMap(([flag, name]) => [flag, String(command.getOptionValue(name))]);
    const { cluster } = await import("./cluster/cluster.ts");
    finish(await cluster(config, context, { replicas, restart, flags }));
  });
}

const replicasDefault = 3;
const replicasMax = 20;

function parseReplicas(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= replicasMax) return count;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${replicasMax}.`);
}

function addChat(program: Command, context: CliContext, finish: Finish): void {
  const command = program
    .command("chat")
    .description("talk in the terminal")
    .option("--url <url>", "the server (PARLEY_URL; default: the one that runs on the data folder)")
    .option("--token <token>", "the token (PARLEY_TOKEN; default: the data folder's)")
    .option("--chat <id>", "go on with this chat")
    .option("--model <model>", "provider/model of a new chat")
    .option("--schema <file>", "ask for replies as JSON of the JSON Schema in this file");
  addSettingFlags(command, ["dataDir"]);
  command.action(async () => {
    const { config } = configOf(command, context);
    const { chat } = await import("./chat-command.ts");
    finish(await chat(config, context, command.opts()));
  });
}

function addToken(program: Command, context: CliContext): void {
  const token = program.command("token").description("make, list and revoke API tokens");
  const create = token
    .command("create")
    .description("make a token and print it, once")
    .option("--principal <name>", "whose it is; made if there is none of that name", "admin")
    .option("--name <text>", "what it is for", "made on the command line")
    .option("--days <number>", "how long it lasts; without it, until it is revoked")
    .option("--admin", "if the principal is made: let it administer");
  const list = token
    .command("list")
    .description("show the tokens that are not revoked")
    .option("--principal <name>", "only this one's");
  const revoke = token
    .command("revoke")
    .description("end a token; servers notice within seconds")
    .argument("<id>", "its id, from the list");
  for (const command of [create, list, revoke]) addSettingFlags(command, databaseKeys);
  create.action(async () => {
    const { config } = configOf(create, context);
    const { createToken } = await import("./token.ts");
    await createToken(config, context, create.opts());
  });
  list.action(async () => {
    const { config } = configOf(list, context);
    const { listAllTokens } = await import("./token.ts");
    await listAllTokens(config, context, list.opts());
  });
  revoke.action(async (id: string) => {
    const { config } = configOf(revoke, context);
    const { revokeOneToken } = await import("./token.ts");
    await revokeOneToken(config, context, id);
  });
}

function addMigrate(program: Command, context: CliContext, finish: Finish): void {
  const command = program
    .command("migrate")
    .description("bring the database to this version; serve does it too")
    .option("--check", "change nothing; exit code 1 when something is left to do");
  addSettingFlags(command, databaseKeys);
  command.action(async () => {
    const { config } = configOf(command, context);
    const { migrateDatabase } = await import("./migrate.ts");
    finish(await migrateDatabase(config, context, command.opts()));
  });
}

function addDoctor(program: Command, context: CliContext, finish: Finish): void {
  const command = program
    .command("doctor")
    .description("say what is wrong with this installation and how to mend it")
    .option("--json", "print the findings as JSON");
  addSettingFlags(command, settingKeys);
  command.action(async () => {
    const { doctor } = await import("./doctor/doctor.ts");
    finish(await doctor(() => configOf(command, context), context, command.opts()));
  });
}

function addWorkspace(program: Command, context: CliContext, finish: Finish): void {
  const many = (value: string, before: string[]): string[] => [...before, value];
  program
    .command("workspace")
    .description("offer one folder's files and commands to agents, as an MCP server")
    .argument("<folder>", "nothing outside of it is read or written by the file tools")
    .option("--http", "listen for Streamable HTTP at /mcp, instead of standard input and output")
    .option("--host <address>", "with --http: where to listen", "127.0.0.1")
    .option("--port <number>", "with --http: 0 takes any that is free", parsePort, workspacePort)
    .option("--no-commands", "offer files only")
    .addOption(
      new Option("--sandbox <mode>", "bubblewrap around commands: auto uses it where it works")
        .choices(["auto", "require", "off"])
        .default("auto"),
    )
    .option("--no-network", "commands have no network (needs bubblewrap)")
    .option("--read <folder>", "commands may read this folder too; can be repeated", many, [])
    .option("--pass <variable>", "commands find this variable too; can be repeated", many, [])
    .addHelpText("after", "\nPARLEY_WORKSPACE_TOKEN is what clients of --http must bring.")
    .action(async (folder: string, _options: unknown, command: Command) => {
      const { workspace } = await import("./workspace/workspace.ts");
      finish(await workspace(folder, command.opts(), context));
    });
}

const workspacePort = 7430;

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError("It must be a whole number from 0 to 65535.");
}

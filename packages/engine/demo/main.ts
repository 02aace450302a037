import { spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual, parseArgs } from "node:util";
import {
  applyEvent,
  createClient,
  emptyTranscript,
  type Client,
  type Transcript,
} from "@parley/client";
import type { Message } from "@parley/protocol";
import { Pane, type Colour } from "./pane.ts";
import { start, type Program } from "./program.ts";
import { files, makeProject, wish } from "./project.ts";
import { startProvider, type Provider } from "./provider.ts";
import type { Stage } from "./model.ts";

/**
 * An agent at work, to be watched: it is given a folder with a failing test, finds the fault with the tools of a workspace,
 * mends it and runs the tests, while a second terminal steers it and a third joins late. What the model says is written
 * beforehand and comes over the wire from a provider on loopback; server, workspace, tools and terminals are the real ones.
 */

const help = `node packages/engine/demo/main.ts [--fast] [--keep]

  --fast   without the pauses that let a person read along
  --keep   leave the folder, and the server running until Ctrl-C`;

/** All of it; what hangs must not hang for ever. */
const demoMsMax = 240_000;
/** How long the model waits for a person of the demo to do his part. */
const partMsMax = 30_000;
const token = "parley_demo_token_0123456789abcdef";

const { values: flags } = parseArgs({
  options: {
    fast: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const running: Program[] = [];
const isColourful = process.stdout.isTTY && !process.env["NO_COLOR"];

function paneOf(name: string, colour: Colour): Pane {
  // oxlint-disable-next-line no-control-regex -- the escape that begins a colour
  const plain = (line: string): string => line.replace(/\u001b\[\d+m/g, "");
  return new Pane(name, colour, (line) => say(isColourful ? line : plain(line)));
}

function run(
  name: string,
  colour: Colour,
  file: string,
  args: readonly string[],
  env: Record<string, string>,
): Program {
  const program = start(file, args, env, paneOf(name, colour));
  running.push(program);
  return program;
}

/** What happens in which order: the model gives the others the time that they need. */
interface Parts {
  readonly steered: PromiseWithResolvers<void>;
  readonly joined: PromiseWithResolvers<void>;
}

async function demo(folder: string): Promise<boolean> {
  const project = join(folder, "basket");
  await makeProject(project);
  say(`A project with a failing test: ${project}\n`);
  say(files["basket.js"]);
  const parts: Parts = { steered: Promise.withResolvers(), joined: Promise.withResolvers() };
  const provider = await startProvider({
    wordMs: flags.fast ? 1 : 60,
    thinkMs: flags.fast ? 1 : 1_500,
    before: async (stage) => await others(stage, parts),
  });
  try {
    const url = await startServer(folder, project, provider);
    const client = createClient({ baseUrl: url, token });
    const { chatId, first } = await play(client, url, parts);
    const good = await verdict(client, chatId, first, project);
    if (flags.keep) await untilInterrupted(project);
    return good;
  } finally {
    for (const program of running.toReversed()) await program.end();
    await provider.close();
  }
}

async function others(stage: Stage, { steered, joined }: Parts): Promise<void> {
  const part = stage === "looked" ? steered : stage === "done" ? joined : null;
  if (part !== null)
    await Promise.race([part.promise, sleep(partMsMax, undefined, { ref: false })]);
}

async function startServer(folder: string, project: string, provider: Provider): Promise<string> {
  const cli = "../src/cli/main.ts";
  const workspace = run("workspace", "gray", cli, ["workspace", project, "--http", "--port", "0"], {
    PARLEY_WORKSPACE_TOKEN: token,
  });
  const [, tools = ""] = await workspace.says(/serving at (\S+)/);
  const given = process.env["PARLEY_DATABASE_URL"];
  const server = run("server", "gray", cli, ["serve", "--port", "0"], {
    PARLEY_DATA_DIR: join(folder, "data"),
    ...(given === undefined ? {} : { PARLEY_DATABASE_URL: given }),
    PARLEY_TOKEN: token,
    PARLEY_WEB: "false",
    PARLEY_LOG_LEVEL: "warn",
    PARLEY_PROVIDERS: JSON.stringify([
      { name: "demo-agent", base_url: provider.baseUrl, models: ["scripted"] },
    ]),
    PARLEY_MODEL: "demo-agent/scripted",
    PARLEY_TITLE_MODEL: "off",
    PARLEY_MCP_SERVERS: JSON.stringify([{ name: "code", url: tools, token }]),
  });
  const [, url = ""] = await server.says(/(http:\/\/127\.0\.0\.1:\d+)\/\?token=/);
  return url;
}

/** Three terminals. Gives, when the turn is over, what somebody has seen who was there from the beginning. */
async function play(
  client: Client,
  url: string,
  parts: Parts,
): Promise<{ chatId: string; first: Transcript }> {
  const env = { PARLEY_TOKEN: token };
  const terminal = (name: string, colour: Colour, chat: readonly string[]): Program =>
    run(name, colour, "terminal.ts", [url, ...chat], env);

  const first = terminal("first", "cyan", []);
  await first.says(/help says what there is/);
  first.type("A test fails in this project. Find out why, mend it, and run the tests again.");
  const [, chatId = ""] = await first.says(/chat ([0-9a-f-]{36})/);
  const watching = until(client, chatId, isOver);
  say(`\nJoin in from a terminal of your own:\n`);
  say(`  npm run parley -- chat --url '${url}/?token=${token}' --chat ${chatId}\n`);

  const second = terminal("second", "magenta", [chatId]);
  await second.says(/code__run_command/);
  second.type(`/steer ${wish}`);
  await until(client, chatId, isSteered);
  parts.steered.resolve();

  await until(client, chatId, ({ messages }) =>
    messages.some((message) => calls(message).includes("code__edit_file")),
  );
  const third = terminal("third", "yellow", [chatId]);
  await third.says(/code__edit_file/);
  parts.joined.resolve();
  const seen = await watching;
  await Promise.all(
    [first, second, third].map(async (one) => await one.says(/tests pass|please have a look/)),
  );
  return { chatId, first: seen };
}

const isWish = ({ parts }: Pick<Message, "parts">): boolean =>
  parts.some((part) => part.type === "text" && part.text === wish);
const isSteered = ({ messages, queue }: Transcript): boolean =>
  messages.some(isWish) || queue.some(isWish);
const calls = ({ parts }: Message): string[] =>
  parts.flatMap((part) => (part.type === "tool-call" ? [part.tool_name] : []));
const isOver = ({ messages, status }: Transcript): boolean =>
  messages.length > 1 && status?.status === "waiting";

/** Follows the stream, from its beginning, until it shows what is wanted. */
async function until(
  client: Client,
  chatId: string,
  wanted: (transcript: Transcript) => boolean,
): Promise<Transcript> {
  let transcript = emptyTranscript;
  for await (const event of client.subscribe(chatId)) {
    transcript = applyEvent(transcript, event);
    if (transcript.error !== null) throw new Error(`the turn failed: ${transcript.error.message}`);
    if (transcript.ready && wanted(transcript)) break;
  }
  return transcript;
}

async function verdict(
  client: Client,
  chatId: string,
  first: Transcript,
  project: string,
): Promise<boolean> {
  const late = await until(client, chatId, isOver);
  const { messages } = await client.listMessages(chatId);
  const tests = spawnSync(process.execPath, ["--test"], { cwd: project, encoding: "utf8" });
  const basket = await readFile(join(project, "basket.js"), "utf8");
  const asked = await readFile(join(project, "basket.test.js"), "utf8");
  const checks = [
    ["the fault is mended", basket !== files["basket.js"]],
    ["the tests pass", tests.status === 0],
    ["what the second terminal asked for is there", asked.includes("an empty basket")],
    [
      "who joins late sees what the first one saw",
      isDeepStrictEqual(late.messages, first.messages),
    ],
    ["and both see what the database holds", isDeepStrictEqual(late.messages, messages)],
  ] as const;
  say(`\n${basket}`);
  for (const [what, holds] of checks) say(`${holds ? "✓" : "✗"} ${what}`);
  return checks.every(([, holds]) => holds);
}

async function untilInterrupted(project: string): Promise<void> {
  say(`\nThe server goes on, on ${project}. Ctrl-C ends it.`);
  await new Promise<void>((resolve) => process.once("SIGINT", () => resolve()));
}

async function main(): Promise<number> {
  if (flags.help) {
    say(help);
    return 0;
  }
  const folder = await mkdtemp(join(tmpdir(), "parley-demo-"));
  // As root the embedded database runs under another account.
  await chmod(folder, 0o755);
  await mkdir(join(folder, "data"));
  const late = setTimeout(() => {
    say("The demo has taken too long.");
    process.exit(1);
  }, demoMsMax);
  try {
    return (await demo(folder)) ? 0 : 1;
  } catch (error) {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return 1;
  } finally {
    clearTimeout(late);
    if (!flags.keep) await rm(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();

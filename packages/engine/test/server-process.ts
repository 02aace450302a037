import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestDatabase } from "./postgres.ts";
import type { ProviderServer } from "./provider-server.ts";

const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

/** How long a server may take to print its address; a cold embedded database needs a few seconds on a busy machine. */
const startMsMax = 120_000;

export interface ServerProcess {
  /** `http://ADDRESS:PORT`, without a slash at its end; on loopback unless it was told another address. */
  readonly url: string;
  readonly port: number;
  readonly token: string;
  readonly pid: number;
  /** Everything it has printed, both streams. */
  output(): string;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export interface ServerSettings {
  /** Added to PATH and HOME, which are all that the process gets otherwise. */
  readonly env: Record<string, string>;
  readonly token?: string;
  readonly port?: number;
  /** What the command begins with, to run it elsewhere: in a network namespace, say. */
  readonly within?: readonly string[];
}

/** Starts the real server as a process of its own, and waits for the address that it prints. */
export async function startServerProcess(settings: ServerSettings): Promise<ServerProcess> {
  const token = settings.token ?? "parley_test_token_0123456789abcdef";
  // Never the data folder of whoever runs the tests.
  const folder = await temporaryFolder();
  const [command, ...args] = [...(settings.within ?? []), process.execPath, main, "serve"] as const;
  const child = spawn(command, args, {
    env: {
      PARLEY_DATA_DIR: folder.path,
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      PARLEY_HOST: "127.0.0.1",
      PARLEY_PORT: String(settings.port ?? 0),
      PARLEY_TOKEN: token,
      // Most have no use for it, and whether it has to be built first is nothing that they test.
      PARLEY_WEB: "false",
      // Scripted providers count the calls that they get.
      PARLEY_TITLE_MODEL: "off",
      ...settings.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("exit", (code, signal) => {
      void folder.remove().then(() => resolve({ code, signal }));
    });
  });
  const url = await addressOf(
    child,
    (text) => (output += text),
    () => output,
  );
  return {
    url,
    port: Number(new URL(url).port),
    token,
    pid: child.pid as number,
    output: () => output,
    kill: (signal) => void child.kill(signal),
    exited,
  };
}

async function addressOf(
  child: ChildProcess,
  add: (text: string) => void,
  output: () => string,
): Promise<string> {
  return await new Promise<string>((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`the server ${why}:\n${output()}`));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail("did not print its address");
    }, startMsMax);
    const read = (chunk: Buffer): void => {
      add(chunk.toString("utf8"));
      const found = /(http:\/\/[\d.]+:\d+)\/?\?token=/.exec(output());
      if (found?.[1]) {
        clearTimeout(timer);
        resolve(found[1]);
      }
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
    child.once("exit", (code) => {
      clearTimeout(timer);
      fail(`ended with ${code}`);
    });
    child.once("error", (error) => fail(error.message));
  });
}

/** A folder of its own, removed at the end. */
export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "parley-test-"));
  return { path, remove: async () => await rm(path, { recursive: true, force: true }) };
}

/** The address of a test's database, which listens on a socket only. */
export function databaseUrl({ settings }: Pick<TestDatabase, "settings">): string {
  const { host, port, user, database } = settings;
  return `postgresql://${user}@${encodeURIComponent(host)}:${port}/${database}`;
}

/** Every provider is the scripted one. */
export function providerEnv(provider: ProviderServer): Record<string, string> {
  return {
    OPENAI_API_KEY: "test-key",
    OPENAI_BASE_URL: provider.baseURL("openai-responses"),
    ANTHROPIC_API_KEY: "test-key",
    ANTHROPIC_BASE_URL: provider.baseURL("anthropic"),
    GOOGLE_GENERATIVE_AI_API_KEY: "test-key",
    GOOGLE_GENERATIVE_AI_BASE_URL: provider.baseURL("google"),
  };
}

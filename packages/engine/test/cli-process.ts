import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { within } from "./eventually.ts";

export const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

export interface CliProcess {
  readonly pid: number;
  out(): string;
  err(): string;
  /** Resolves with the match, once the stream holds it. */
  outHas(pattern: RegExp): Promise<RegExpExecArray>;
  errHas(pattern: RegExp): Promise<RegExpExecArray>;
  write(text: string): void;
  endInput(): void;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export interface CliSettings {
  /** Its home, where its data folder lies. With PATH, all that it knows of its surroundings. */
  readonly home: string;
  readonly env?: Record<string, string>;
  /** Another account, where this one is root. */
  readonly uid?: number;
  /** Instead of `parley`. */
  readonly command?: readonly [file: string, ...args: string[]];
  readonly cwd?: string;
}

/** The command line as a process of its own, in a bare environment. */
export function startCli(args: readonly string[], settings: CliSettings): CliProcess {
  const [file, ...first] = settings.command ?? [process.execPath, main];
  const { uid } = settings;
  const child = spawn(file, [...first, ...args], {
    cwd: settings.cwd ?? settings.home,
    // Without the web application: whether it has to be built first is nothing that most of them test.
    env: {
      PATH: process.env["PATH"],
      HOME: settings.home,
      PARLEY_WEB: "false",
      PARLEY_TITLE_MODEL: "off",
      ...settings.env,
    },
    stdio: ["pipe", "pipe", "pipe"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const said = { out: "", err: "" };
  const waiting = new Set<() => void>();
  const listen = (stream: "out" | "err", chunk: Buffer): void => {
    said[stream] += chunk.toString("utf8");
    for (const look of waiting) look();
  };
  child.stdout.on("data", (chunk: Buffer) => listen("out", chunk));
  child.stderr.on("data", (chunk: Buffer) => listen("err", chunk));
  // A process that has ended takes no more input: its exit says so.
  child.stdin.on("error", () => {});
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  const has = async (stream: "out" | "err", pattern: RegExp): Promise<RegExpExecArray> => {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const look = (): void => {
      const found = pattern.exec(said[stream]);
      if (found !== null) resolve(found);
    };
    waiting.add(look);
    look();
    const shown = (): string => `${String(pattern)}\n--- out\n${said.out}\n--- err\n${said.err}`;
    void exited.then(({ code }) => reject(new Error(`ended with ${code} without ${shown()}`)));
    try {
      return await within(`${args.join(" ")} says ${String(pattern)}`, promise);
    } catch (error) {
      throw new Error(`${String(error)}: ${shown()}`, { cause: error });
    } finally {
      waiting.delete(look);
    }
  };
  return {
    pid: child.pid as number,
    out: () => said.out,
    err: () => said.err,
    outHas: async (pattern) => await has("out", pattern),
    errHas: async (pattern) => await has("err", pattern),
    write: (text) => void child.stdin.write(text),
    endInput: () => void child.stdin.end(),
    kill: (signal) => void child.kill(signal),
    exited,
  };
}

export interface CliResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The same, until it ends. */
export async function runCliProcess(
  args: readonly string[],
  settings: CliSettings & { readonly input?: string },
): Promise<CliResult> {
  const running = startCli(args, settings);
  if (settings.input !== undefined) running.write(settings.input);
  running.endInput();
  const { code } = await within(`the end of ${args.join(" ")}`, running.exited);
  return { code, out: running.out(), err: running.err() };
}

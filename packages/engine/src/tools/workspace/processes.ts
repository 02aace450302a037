import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Clock, Timer } from "../../lib/clock.ts";
import { Wake } from "../../lib/wake.ts";
import { OutputLog } from "./output-log.ts";
import type { Root } from "./root.ts";
import { sandboxHome, type Sandbox } from "./sandbox.ts";
import { hasCode, WorkspaceError } from "./workspace-error.ts";

const runningMax = 16;
/** Commands that have ended, whose output can still be read. */
const endedKeptMax = 32;
const outputKeptBytesMax = 4 * 1024 * 1024;

/** After a polite signal, how long until the one that cannot be ignored. */
const killGraceMs = 2_000;

/** What the last words of a process take to arrive after it has ended. */
const lastWordsMs = 200;

export const signals = [
  "SIGINT",
  "SIGTERM",
  "SIGKILL",
  "SIGHUP",
  "SIGQUIT",
  "SIGSTOP",
  "SIGCONT",
  "SIGUSR1",
  "SIGUSR2",
] as const;

export type CommandSignal = (typeof signals)[number];

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** It had used up its time, and was ended. */
  readonly timedOut: boolean;
}

export interface ProcessesOptions {
  readonly root: Root;
  readonly sandbox: Sandbox;
  /** What commands find in their environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

/** One command, and everything that it started. */
export class Command {
  readonly id: string;
  readonly text: string;
  readonly startedAtMs: number;
  readonly output = new OutputLog(outputKeptBytesMax);
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  /** Set when there is more output, or the end. */
  readonly #listeners = new Set<Wake>();
  readonly #followers = new Set<() => void>();
  #ended: Ended | null = null;
  #endedAtMs = 0;
  #timedOut = false;
  /** The process group that signals go to. */
  #group: number | null;
  #timers: Timer[] = [];

  constructor(id: string, text: string, child: ChildProcess, clock: Clock, timeoutMs: number) {
    this.id = id;
    this.text = text;
    this.#child = child;
    this.#clock = clock;
    this.startedAtMs = clock.monotonic();
    this.#group = child.pid ?? null;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => this.#hear(chunk));
    }
    child.stdin?.on("error", () => {});
    child.once("error", (error) => {
      this.#hear(Buffer.from(`${error.message}\n`));
      this.#end(null, null);
    });
    child.once("exit", (code, signal) => this.#exited(code, signal));
    this.#later(timeoutMs, "workspace.command", () => {
      this.#timedOut = true;
      this.end();
    });
    this.#hearOfSandbox();
  }

  get ended(): Ended | null {
    return this.#ended;
  }

  get seconds(): number {
    const untilMs = this.#ended === null ? this.#clock.monotonic() : this.#endedAtMs;
    return (untilMs - this.startedAtMs) / 1_000;
  }

  /** Waits for the end, at most `ms`. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    await this.#waitUntil(() => false, ms, signal);
  }

  /** Waits until there is output beyond `offset`, or the end, at most `ms`. */
  async waitForOutput(offset: number, ms: number, signal: AbortSignal): Promise<void> {
    await this.#waitUntil(() => this.output.end > offset, ms, signal);
  }

  /** Calls `fn` where there is output and as more comes, until it is taken back. */
  follow(fn: () => void): () => void {
    this.#followers.add(fn);
    if (this.output.end > 0) fn();
    return () => this.#followers.delete(fn);
  }

  write(text: string, last: boolean): void {
    const { stdin } = this.#child;
    if (this.#ended !== null || stdin === null || stdin.writableEnded) {
      throw new WorkspaceError("no_process", `Process ${this.id} does not read any more.`);
    }
    if (last) stdin.end(text);
    else stdin.write(text);
  }

  kill(signal: CommandSignal): void {
    if (this.#ended !== null) return;
    kill(this.#group, signal);
    // The sandbox itself takes no part in signals but the one that ends everything.
    if (signal === "SIGKILL") this.#child.kill(signal);
  }

  /** Politely, and then not. */
  end(): void {
    this.kill("SIGTERM");
    // Who is stopped hears nothing.
    this.kill("SIGCONT");
    this.#later(killGraceMs, "workspace.kill", () => this.kill("SIGKILL"));
  }

  async #waitUntil(isEnough: () => boolean, ms: number, signal: AbortSignal): Promise<void> {
    const untilMs = this.#clock.monotonic() + ms;
    const wake = new Wake();
    this.#listeners.add(wake);
    try {
      while (this.#ended === null && !isEnough() && !signal.aborted) {
        const leftMs = untilMs - this.#clock.monotonic();
        if (leftMs <= 0) return;
        // oxlint-disable-next-line no-await-in-loop
        await wake.wait(signal, this.#clock, leftMs, "workspace.wait");
      }
    } finally {
      this.#listeners.delete(wake);
    }
  }

  #hear(chunk: Buffer): void {
    this.output.append(chunk);
    for (const fn of this.#followers) fn();
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#listeners) wake.set();
  }

  #later(ms: number, label: string, fn: () => void): void {
    this.#timers.push(this.#clock.timer(ms, label, fn));
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    // What it left behind in its group ends with it: nobody would know of it any more.
    kill(this.#group, "SIGKILL");
    this.#group = null;
    const end = (): void => this.#end(code, signal);
    this.#child.once("close", end);
    // Somebody outside of the group may hold the pipes open for ever.
    this.#later(lastWordsMs, "workspace.last_words", end);
  }

  #end(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#ended !== null) return;
    this.#ended = { code, signal, timedOut: this.#timedOut };
    this.#endedAtMs = this.#clock.monotonic();
    for (const timer of this.#timers.splice(0)) timer.cancel();
    for (const stream of this.#child.stdio) stream?.destroy();
    this.#wake();
  }

  /** bubblewrap tells on a pipe of its own which process the inside is; that one leads the group of the command. */
  #hearOfSandbox(): void {
    const info = this.#child.stdio[3] as Readable | null | undefined;
    let text = "";
    info?.on("error", () => {});
    info?.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      const pid = /"child-pid":\s*(\d+)/.exec(text)?.[1];
      if (pid !== undefined && this.#group !== null) this.#group = Number(pid);
    });
  }
}

/** Commands of one workspace. They live as long as its server does. */
export class Processes {
  readonly #options: ProcessesOptions;
  readonly #commands = new Map<string, Command>();
  #count = 0;

  constructor(options: ProcessesOptions) {
    this.#options = options;
  }

  async start(text: string, folder: string, timeoutMs: number): Promise<Command> {
    const { root, sandbox, env, clock } = this.#options;
    this.#makeRoom();
    return await root.folder(folder, async (base, shown) => {
      const isBoxed = sandbox.bubblewrap !== null;
      const line = sandbox.line(text, join(root.path, shown));
      const child = spawn(line.program, [...line.args], {
        // Its own "self" would be another process's.
        cwd: base.replace("/proc/self/", `/proc/${process.pid}/`),
        env: isBoxed ? { ...env, HOME: sandboxHome } : env,
        detached: true,
        stdio: ["pipe", "pipe", "pipe", ...(isBoxed ? ["pipe" as const] : [])],
      });
      this.#count += 1;
      const id = String(this.#count);
      const command = new Command(id, text, child, clock, timeoutMs);
      this.#commands.set(id, command);
      return command;
    });
  }

  /** @throws WorkspaceError */
  get(id: string): Command {
    const command = this.#commands.get(id);
    if (command !== undefined) return command;
    const known = [...this.#commands.keys()].join(", ") || "none";
    throw new WorkspaceError("no_process", `There is no process ${id}. Known: ${known}.`);
  }

  list(): readonly Command[] {
    return [...this.#commands.values()];
  }

  /** Ends all of them, and waits until they have. */
  async stop(): Promise<void> {
    const { signal } = new AbortController();
    for (const command of this.list()) command.end();
    await Promise.all(this.list().map(async (each) => await each.wait(2 * killGraceMs, signal)));
  }

  #makeRoom(): void {
    const commands = this.list();
    const ended = commands.filter((command) => command.ended !== null);
    if (commands.length - ended.length >= runningMax) {
      const text = `${runningMax} commands are running already. End one first.`;
      throw new WorkspaceError("too_many_processes", text);
    }
    for (const old of ended.slice(0, Math.max(0, ended.length - endedKeptMax + 1))) {
      this.#commands.delete(old.id);
    }
  }
}

function kill(group: number | null, signal: NodeJS.Signals): void {
  if (group === null) return;
  try {
    process.kill(-group, signal);
  } catch (error) {
    // Gone already.
    if (!hasCode(error, "ESRCH", "EPERM")) throw error;
  }
}

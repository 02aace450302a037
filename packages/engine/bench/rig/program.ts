import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Spender } from "./spender.ts";

/** What one process asks of another: by name, one JSON value in, one out. */
type Handler = (input: never) => unknown;

interface Call {
  readonly id: number;
  readonly name: string;
  readonly input: unknown;
}

interface Answer {
  readonly id: number;
  readonly output?: unknown;
  readonly error?: string;
}

/** Nothing that is asked of a program takes longer, on the slowest machine. */
const answerMsMax = 120_000;

/** A program that does not come up in this is not measured. */
const startMsMax = 60_000;

/** A contender, or a generator of load, in a process of its own. */
export class Program implements Spender {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    child.on("message", (message: Answer) => this.#onAnswer(message));
    // Whoever asks is told by his call.
    child.on("error", () => {});
    child.once("exit", (code, signal) => {
      for (const { reject } of this.#calls.values()) {
        reject(new Error(`the program ${name} ended with ${code ?? signal}`));
      }
      this.#calls.clear();
    });
  }

  /** Starts `programs/<file>`, or a peer's `.mjs`, and waits until it answers. */
  static async start(
    file: string,
    settings: Readonly<Record<string, unknown>> = {},
    name = file,
    flags: readonly string[] = [],
  ): Promise<Program> {
    const isPeer = file.endsWith(".mjs");
    const path = isPeer ? `../peers/${file}` : `../programs/${file}.ts`;
    const child = fork(new URL(path, import.meta.url), [], {
      env: {
        PATH: process.env["PATH"],
        HOME: process.env["HOME"],
        BENCH_SETTINGS: JSON.stringify(settings),
      },
      execArgv: ["--expose-gc", "--disable-warning=ExperimentalWarning", ...flags],
      // What peers have to say is none of the table's.
      stdio: ["ignore", isPeer ? "ignore" : "inherit", isPeer ? "ignore" : "inherit", "ipc"],
    });
    const program = new Program(name, child);
    await program.call("ready", null, startMsMax);
    return program;
  }

  async cpu(): Promise<number> {
    return await this.call<number>("cpu");
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async call<T = unknown>(name: string, input: unknown = null, msMax = answerMsMax): Promise<T> {
    if (!this.#child.connected) throw new Error(`the program ${this.name} has ended`);
    const id = ++this.#lastId;
    const call = Promise.withResolvers<unknown>();
    this.#calls.set(id, call);
    const timer = setTimeout(() => {
      this.#calls.delete(id);
      call.reject(new Error(`${this.name} did not answer "${name}"`));
    }, msMax);
    this.#child.send({ id, name, input } satisfies Call, (error) => {
      if (error !== null) call.reject(error);
    });
    try {
      return (await call.promise) as T;
    } finally {
      clearTimeout(timer);
    }
  }

  /** As a machine does that loses its power. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  #onAnswer({ id, output, error }: Answer): void {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error === undefined) call?.resolve(output);
    else call?.reject(new Error(`${this.name}: ${error}`));
  }
}

/** The program's own side. It ends when the one who started it is gone. */
export function answer(handlers: Readonly<Record<string, Handler>>): void {
  const all: Readonly<Record<string, Handler>> = { ready: () => null, cpu: cpuMicros, ...handlers };
  process.on("disconnect", () => process.exit(0));
  process.on("message", ({ id, name, input }: Call) => {
    void (async () => {
      try {
        const handler = all[name];
        if (handler === undefined) throw new Error(`nothing here is called "${name}"`);
        process.send?.({ id, output: (await handler(input as never)) ?? null } satisfies Answer);
      } catch (error) {
        process.send?.({ id, error: String((error as Error).stack ?? error) } satisfies Answer);
      }
    })();
  });
}

export function settingsOf<T>(): T {
  return JSON.parse(process.env["BENCH_SETTINGS"] ?? "{}") as T;
}

/** Processor time of this process so far, in microseconds. */
function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

import { PassThrough } from "node:stream";
import type { CliContext } from "../src/cli/context.ts";
import { systemClock } from "../src/lib/clock.ts";
import { systemRandom } from "../src/lib/random.ts";

export interface TestCli {
  context: CliContext;
  /** What was written so far. */
  out(): string;
  err(): string;
  /** As if the process had been sent it. */
  signal(name: NodeJS.Signals): void;
  /** As if nothing had caught it. */
  uncaught(error: unknown): void;
  /** Resolves when standard output holds the text. */
  outHas(text: string): Promise<void>;
}

/** Thrown by the context's `exit`, so that a test goes on. */
export class Exited extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

/** A command line of its own inside of the test's process. */
export function testCli(env: Record<string, string> = {}, rest: Partial<CliContext> = {}): TestCli {
  const stdout = capture();
  const stderr = capture();
  const uncaught = new Set<(error: unknown) => void>();
  const listeners = new Set<{ signals: readonly string[]; fn: (signal: NodeJS.Signals) => void }>();
  return {
    context: {
      env: { PARLEY_LOG_LEVEL: "silent", PARLEY_WEB: "false", ...env },
      platform: process.platform,
      homeDir: "/nonexistent",
      stdin: new PassThrough() as unknown as NodeJS.ReadStream,
      stdout: stdout.stream,
      stderr: stderr.stream,
      clock: systemClock,
      random: systemRandom(systemClock),
      onSignal(signals, fn) {
        const listener = { signals, fn };
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      onUncaught(fn) {
        uncaught.add(fn);
        return () => uncaught.delete(fn);
      },
      exit(code) {
        throw new Exited(code);
      },
      ...rest,
    },
    out: stdout.text,
    err: stderr.text,
    signal(name) {
      for (const { signals, fn } of listeners) if (signals.includes(name)) fn(name);
    },
    uncaught(error) {
      for (const fn of uncaught) fn(error);
    },
    outHas: stdout.has,
  };
}

function capture(): {
  stream: NodeJS.WriteStream;
  text: () => string;
  has: (text: string) => Promise<void>;
} {
  let written = "";
  const waiting = new Set<() => void>();
  const stream = new PassThrough();
  stream.on("data", (chunk: Buffer) => {
    written += chunk.toString("utf8");
    for (const look of waiting) look();
  });
  const has = (text: string): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!written.includes(text)) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => written, has };
}

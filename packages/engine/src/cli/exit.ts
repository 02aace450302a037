import { ConfigError } from "../config.ts";
import { ParleyError } from "../lib/errors.ts";

/** What the shell is told. */
export const exitCodes = {
  ok: 0,
  failure: 1,
  /** The command line or the settings are wrong: nothing was tried. */
  usage: 2,
  /** Ended by SIGINT, by convention 128 + 2; SIGTERM is 128 + 15. */
  interrupted: 130,
  terminated: 143,
} as const;

/** An end of a command that the user can do something about: shown as it is, without a stack. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: number;

  constructor(message: string, options: { exitCode?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.exitCode = options.exitCode ?? exitCodes.failure;
  }
}

/** How an error ends a command: its lines for standard error, and the exit code. */
export function explain(error: unknown): { lines: string[]; exitCode: number } {
  if (error instanceof ConfigError) {
    return { lines: [...error.problems], exitCode: exitCodes.usage };
  }
  if (error instanceof CliError) {
    return { lines: error.message.split("\n"), exitCode: error.exitCode };
  }
  if (error instanceof ParleyError) {
    return { lines: [error.message, ...causeLines(error.cause)], exitCode: exitCodes.failure };
  }
  // A bug of ours: the stack is what a report needs.
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { lines: text.split("\n"), exitCode: exitCodes.failure };
}

function causeLines(cause: unknown): string[] {
  if (!(cause instanceof Error) || cause.message === "") return [];
  return [`caused by: ${cause.message}`];
}

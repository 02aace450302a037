import type { Clock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Surroundings } from "../config/setting.ts";

/** What a command works with: everything of the process that tests replace. */
export interface CliContext extends Surroundings {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly clock: Clock;
  readonly random: Random;
  /** Calls `fn` for each of the signals; the default (the process ends at once) is off then. */
  onSignal(signals: readonly NodeJS.Signals[], fn: (signal: NodeJS.Signals) => void): () => void;
  /** Calls `fn` for each error that nothing catches; the default (the process ends) is off then. */
  onUncaught(fn: (error: unknown) => void): () => void;
  /** Ends the process now, whatever is still running. */
  exit(code: number): never;
}

export function say(context: CliContext, text: string): void {
  context.stdout.write(`${text}\n`);
}

/** For people, on standard error: standard output belongs to the command's result. */
export function tell(context: CliContext, text: string): void {
  context.stderr.write(`parley: ${text}\n`);
}

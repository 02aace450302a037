import type { Clock } from "../../lib/clock.ts";
import { parseLine } from "./commands.ts";
import { failureText } from "./failure.ts";
import { interruptMeaning } from "./interrupt.ts";
import { CommandError } from "./command-error.ts";
import { perform } from "./perform.ts";
import { Session, type SessionOptions } from "./session.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

export interface InteractiveOptions {
  session: Omit<SessionOptions, "style" | "out" | "err" | "onShown">;
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream;
  clock: Clock;
  /** Puts the first chat on the screen. */
  begin(session: Session): Promise<void>;
}

/** Talks with a person until he leaves. Resolves with the exit code. */
export async function interact(options: InteractiveOptions): Promise<number> {
  const { clock } = options;
  let exitCode = 0;
  let interruptedMs: number | null = null;
  let stopping: Promise<void> = Promise.resolve();
  const terminal: Terminal = openTerminal({
    input: options.input,
    output: options.output,
    onInterrupt(typing) {
      const nowMs = clock.monotonic();
      if (interruptMeaning(session.busy, nowMs, interruptedMs) === "stop") {
        interruptedMs = nowMs;
        stopping = stopping.then(() => attempt(session, () => session.stop(false)));
      } else if (typing && !session.busy) {
        terminal.clearLine();
      } else {
        exitCode = 130;
        terminal.close();
      }
    },
    onClose: () => session.abort(),
  });
  const session = new Session({
    ...options.session,
    style: "terminal",
    out: (text) => terminal.write(text),
    err: (text) => terminal.write(text),
    onShown: () => {
      if (!session.busy) terminal.showPrompt();
    },
  });

  try {
    await options.begin(session);
    terminal.showPrompt();
    for await (const line of terminal.lines) {
      const command = parseLine(line);
      if (command.name === "quit") break;
      await attempt(session, () => perform(session, command));
      if (!session.busy) terminal.showPrompt();
    }
  } catch (error) {
    if (!session.signal.aborted) throw error;
  } finally {
    terminal.close();
    await stopping;
    const { chatId } = session;
    await session.close();
    if (chatId !== null) options.output.write(`come back with: parley chat --chat ${chatId}\n`);
  }
  return exitCode;
}

/** Says what went wrong, unless it went wrong because the person left. */
async function attempt(session: Session, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (session.signal.aborted) return;
    const text = error instanceof CommandError ? error.message : failureText(error, "that failed");
    session.ink({ kind: "error", text });
  }
}

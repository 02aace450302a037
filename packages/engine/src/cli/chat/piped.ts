import { createInterface } from "node:readline/promises";
import { structuredOutput } from "@parley/client";
import { parseLine } from "./commands.ts";
import { perform } from "./perform.ts";
import { Session, type SessionOptions } from "./session.ts";

export interface PipedOptions {
  session: Omit<SessionOptions, "style" | "out" | "err" | "onShown">;
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream;
  errorOutput: NodeJS.WritableStream;
  /** How to hear of Ctrl-C; returns how to stop listening. */
  interrupts: ((heard: () => void) => () => void) | undefined;
  begin(session: Session): Promise<void>;
}

/**
 * Sends line after line, each when the one before has been answered. Resolves with the exit code: 0, 1 when a reply
 * failed, 130 when it was interrupted.
 */
export async function pipe(options: PipedOptions): Promise<number> {
  const session = new Session({
    ...options.session,
    style: "plain",
    out: (text) => void options.output.write(text),
    err: (text) => void options.errorOutput.write(text),
    onShown: () => {},
  });
  let interrupted = false;
  let stopping: Promise<void> = Promise.resolve();
  const deaf = options.interrupts?.(() => {
    if (interrupted || !session.busy) session.abort();
    else stopping = stopAndLeave(session);
    interrupted = true;
  });
  try {
    await options.begin(session);
    const code = await sendLines(session, options.input, () => interrupted);
    return interrupted ? 130 : code;
  } catch (error) {
    if (interrupted) return 130;
    throw error;
  } finally {
    deaf?.();
    await stopping;
    session.ink({ kind: "break" });
    await session.close();
  }
}

/** What was said is shown before it leaves. */
async function stopAndLeave(session: Session): Promise<void> {
  try {
    await session.stop(false);
    await session.until(() => !session.busy);
  } catch {
    // It leaves all the same; the chat goes on without it.
  }
  session.abort();
}

async function sendLines(
  session: Session,
  input: NodeJS.ReadableStream,
  interrupted: () => boolean,
): Promise<number> {
  // Reading lines that were closed before would wait for ever.
  if (session.signal.aborted) return 0;
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  const leave = () => lines.close();
  session.signal.addEventListener("abort", leave);
  let performed = false;
  try {
    for await (const line of lines) {
      const command = parseLine(line);
      if (command.name === "quit") break;
      await waitFor(session, answersCalls.has(command.name));
      if (interrupted() || (performed && failed(session))) break;
      await perform(session, command);
      performed = true;
    }
  } finally {
    session.signal.removeEventListener("abort", leave);
    lines.close();
  }
  await waitFor(session, false);
  return performed && failed(session) ? 1 : 0;
}

const answersCalls: ReadonlySet<string> = new Set(["tool", "approve", "deny"]);

/** A result or a decision for a tool call is what an unfinished reply may be waiting for. */
async function waitFor(session: Session, orAction: boolean): Promise<void> {
  await session.until(
    () => !session.busy || (orAction && session.screen.transcript.actions !== null),
  );
}

/** The last reply failed or is not the JSON that was asked for, or the chat is gone. */
function failed({ lost, asksForJson, screen: { transcript } }: Session): boolean {
  if (lost || transcript.status?.status === "error") return true;
  return asksForJson && structuredOutput(transcript.messages)?.outcome === "invalid";
}

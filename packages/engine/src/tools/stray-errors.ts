import { AsyncLocalStorage } from "node:async_hooks";
import type { Tool } from "./tool.ts";

interface Call {
  readonly tool: string;
  fail(error: unknown): void;
}

/** Whose code runs: follows timers, events and promises that a tool starts. */
const calls = new AsyncLocalStorage<Call>();

/**
 * The tool, whose call fails by an error that escapes from it: one thrown in a timer or an event, or in a promise that
 * nobody awaits. Such errors come to the process only; whoever listens there passes them to `blameTool`.
 */
export function containErrors(tool: Tool): Tool {
  const execute: Tool["execute"] = async (input, context) => {
    const { promise: failed, reject: fail } = Promise.withResolvers<never>();
    return await calls.run(
      { tool: tool.name, fail },
      async () => await Promise.race([tool.execute(input, context), failed]),
    );
  };
  return { ...tool, execute };
}

/**
 * For the process's `uncaughtException`, in whose context it must be called: ends the call that the error escaped from, if
 * it still runs. Gives the name of the tool; null: the error is no tool's.
 */
export function blameTool(error: unknown): string | null {
  const call = calls.getStore();
  if (call === undefined) return null;
  call.fail(error);
  return call.tool;
}

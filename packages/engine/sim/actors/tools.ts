import type { Json } from "@parley/protocol";
import { onAbort } from "../../src/lib/abort.ts";
import { defineTool, type Tool, type ToolContext } from "../../src/tools/tool.ts";
import type { SimProcess } from "../process.ts";
import type { Rng } from "../rng.ts";

/** One run of a tool, as the world outside sees it: what it did stays done, whatever becomes of the replica. */
export interface ToolRun {
  readonly tool: string;
  readonly key: string;
  readonly chatId: string;
  readonly process: SimProcess;
}

export interface SimToolsOptions {
  readonly process: SimProcess;
  readonly rng: Rng;
  readonly onRun: (run: ToolRun) => void;
}

const anything = { type: "object", properties: { n: { type: "number" } } } as const;

/** The server tools of a replica: idempotent ones and others, quick and slow ones, some that ask first. */
export function simTools(options: SimToolsOptions): Tool[] {
  const { process, rng, onRun } = options;
  let runs = 0;
  const run =
    (tool: string, meanMs: number) =>
    async (_input: unknown, context: ToolContext): Promise<Json> => {
      const chance = rng.fork(`${tool} ${++runs}`);
      onRun({ tool, key: context.idempotencyKey, chatId: context.chatId, process });
      if (chance.chance(0.3)) context.progress({ done: chance.int(0, 99) });
      await pause(process, chance.exponential(meanMs), context.signal);
      if (chance.chance(0.1)) throw new Error("simulated: the tool failed");
      if (chance.chance(0.05)) return { blob: "x".repeat(chance.int(10_000, 200_000)) };
      return { ok: true, n: chance.int(0, 99) };
    };
  const define = (name: string, over: Partial<Parameters<typeof defineTool>[0]>): Tool =>
    defineTool({ name, description: name, input: anything, execute: run(name, 300), ...over });
  return [
    define("lookup", { delivery: "at_least_once" }),
    define("crawl", { delivery: "at_least_once", execute: run("crawl", 3_000) }),
    define("charge", { delivery: "at_most_once" }),
    define("launch", { delivery: "at_most_once", execute: run("launch", 2_500) }),
    define("deploy", { delivery: "at_most_once", approval: true, approvalDeadlineMs: 15_000 }),
    define("stuck", { delivery: "at_least_once", timeoutMs: 4_000, execute: run("stuck", 60_000) }),
  ];
}

/** Tools that run in the client, which each chat declares. */
export const clientTools = [
  {
    name: "ask",
    description: "asks the user",
    input_schema: { type: "object" },
    deadline_seconds: 20,
  },
] as const;

async function pause(process: SimProcess, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = process.timer(ms, "tool", resolve);
  const off = onAbort(signal, () => reject(new Error("aborted")));
  try {
    await promise;
  } finally {
    timer.cancel();
    off();
  }
}

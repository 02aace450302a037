import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import type { SimOptions } from "./options.ts";
import type { SimResult } from "./run.ts";

/** A run, in a form that another process can be told of. */
export interface RunOrder extends Pick<
  SimOptions,
  "seed" | "minutes" | "withoutFaults" | "withoutActions" | "onlyFaults" | "replicas" | "users"
> {
  /** The name of a mutation. */
  readonly mutation?: string;
}

export interface FinishedRun {
  readonly order: RunOrder;
  readonly result: SimResult;
  /** Of the processor, not of the clock on the wall. */
  readonly cpuMs: number;
}

export interface CampaignOptions {
  /** Gives the next run, or null when there is none. */
  readonly next: () => RunOrder | null | Promise<RunOrder | null>;
  readonly onFinished: (run: FinishedRun) => void;
  /** Processes at once: each has a database of its own. */
  readonly jobs: number;
}

const worker = join(import.meta.dirname, "campaign-worker.ts");

/** Runs in processes of their own: a simulation takes the globals of its process, and all of one processor. */
export async function runCampaign(options: CampaignOptions): Promise<void> {
  await Promise.all(Array.from({ length: options.jobs }, async () => await work(options)));
}

async function work({ next, onFinished }: CampaignOptions): Promise<void> {
  let child: ChildProcess | null = null;
  try {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop
      const order = await next();
      if (order === null) return;
      child ??= fork(worker, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
      // oxlint-disable-next-line no-await-in-loop
      onFinished(await ask(child, order));
    }
  } finally {
    child?.disconnect();
  }
}

async function ask(child: ChildProcess, order: RunOrder): Promise<FinishedRun> {
  const { promise, resolve, reject } = Promise.withResolvers<FinishedRun>();
  const onExit = (code: number | null): void =>
    reject(new Error(`the simulator's process ended (${code}) with seed ${order.seed}`));
  child.once("message", (finished) => resolve(finished as FinishedRun));
  child.once("exit", onExit);
  child.send(order);
  try {
    return await promise;
  } finally {
    child.off("exit", onExit);
  }
}

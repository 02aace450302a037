import { ChatNotFound, FenceLost } from "../../domain/errors.ts";
import type { ChatRow } from "../../domain/rows.ts";
import { fenceOf, type TaskKind } from "../../domain/task.ts";
import { defined } from "../../lib/assert.ts";
import { backoffMs } from "../../lib/backoff.ts";
import type { Bundle } from "../../machine/bundle.ts";
import { isTransient } from "../../postgres/errors.ts";
import { leaveSlot, resumeSlot } from "../../store/idle-slots.ts";
import {
  Cancelled,
  throwIfCancelled,
  type CommitOptions,
  type TaskContext,
  type TaskServices,
} from "../tasks/context.ts";
import { report } from "../tasks/advance.ts";
import { giveUp } from "../tasks/give-up.ts";
import { patiently } from "../tasks/patiently.ts";
import type { RunnerMemory } from "./memory.ts";
import type { TaskOutcome } from "./state.ts";

/** Pause between two runs of a task that failed. */
const taskBackoff = { baseMs: 100, maxMs: 10_000 };

/** After so many failures that are not the database's passing faults, the turn ends in an error that people see. */
const hardFailuresMax = 5;

/** One for all: most turns end with it, and where it was thrown from says nothing. */
const cancelledByRow = new Cancelled("the row calls for something else");

export type Work = (ctx: TaskContext) => Promise<void>;

export interface TaskRunOptions {
  readonly services: TaskServices;
  readonly chatId: string;
  readonly runnerId: string;
  readonly kind: TaskKind;
  readonly row: ChatRow;
  readonly memory: RunnerMemory;
  readonly isDraining: () => boolean;
  /** This task has committed the row. */
  readonly onCommitted: (row: ChatRow) => void;
  /** A row that was held back turned out not to be this task's. */
  readonly onForeign: (row: ChatRow) => void;
  /** The task has begun to only wait, or goes on. */
  readonly onIdle: () => void;
  /** Reads the row and lets the runner decide by it; null when this task is not wanted any more. */
  readonly look: () => Promise<ChatRow | null>;
}

/** One task from its start until it ends in a way that says something: failures in between are tried again. */
export class TaskRun {
  readonly #options: TaskRunOptions;
  readonly #abort = new AbortController();
  #row: ChatRow;
  /** The snapshot that a bundle of this task has bumped to, while its commit is on its way. */
  #committing: number | null = null;
  #heldBack: ChatRow | null = null;
  #idle = false;

  constructor(options: TaskRunOptions) {
    this.#options = options;
    this.#row = options.row;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** It only waits for what others do. */
  get idle(): boolean {
    return this.#idle && !this.signal.aborted;
  }

  /**
   * Whether the row may be what this task is committing at this moment. It is held back then until the commit's outcome
   * is known: if that failed, somebody else has made the snapshot, and the row is news.
   */
  holdBack(row: ChatRow): boolean {
    if (this.signal.aborted || this.#committing !== row.snapshot_version) return false;
    this.#heldBack = row;
    return true;
  }

  /** Not waited for by anybody: the fence keeps out what a cancelled task still tries to write. */
  cancel(): void {
    this.#abort.abort(cancelledByRow);
  }

  /** The row as this task knows it: what it was started with, then what it committed itself. */
  advanceTo(row: ChatRow): void {
    if (row.snapshot_version > this.#row.snapshot_version) this.#row = row;
  }

  async run(work: Work): Promise<TaskOutcome> {
    const { services, chatId, kind } = this.#options;
    const { clock, random, logger, observer } = services;
    let hardFailures = 0;
    for (let failures = 1; ; failures++) {
      try {
        const ctx = this.#context();
        // What was said may be the very thing that cannot be stored: after as many failures again, it is let go.
        if (hardFailures >= hardFailuresMax)
          await stopTrying(ctx, hardFailures < 2 * hardFailuresMax);
        else await work(ctx);
        return this.signal.aborted ? "cancelled" : "success";
      } catch (error) {
        if (error instanceof Cancelled || this.signal.aborted) return "cancelled";
        if (error instanceof FenceLost) return "fence_lost";
        if (error instanceof ChatNotFound) return "gone";
        if (!isTransient(error)) hardFailures += 1;
        observer.taskFailed(chatId, kind, error);
        logger.warn({ err: error, chat_id: chatId, task: kind }, "a task failed");
      }
      await clock.sleep(backoffMs(failures, taskBackoff, random), "runner.task_retry", this.signal);
      if (this.signal.aborted) return "cancelled";
      // What failed may have been committed all the same: the row decides whether the task goes on at all.
      const row = await this.#options.look();
      if (row === null || this.signal.aborted) return "cancelled";
      this.advanceTo(row);
    }
  }

  #context(): TaskContext {
    const { services, chatId, runnerId, memory, isDraining } = this.#options;
    const row = (): ChatRow => this.#row;
    return {
      ...services,
      chatId,
      runnerId,
      signal: this.signal,
      get row() {
        return row();
      },
      get draining() {
        return isDraining();
      },
      memory,
      idle: async (idle) => await this.#setIdle(idle),
      commit: async (operation, fn, options) => await this.#commit(operation, fn, options),
    };
  }

  async #setIdle(idle: boolean): Promise<void> {
    const { services, chatId, runnerId, onIdle } = this.#options;
    const { signal } = this;
    const write = idle ? leaveSlot : resumeSlot;
    if (!idle) this.#idle = false;
    try {
      await patiently({ ...services, chatId, signal }, "worker.slot", async () => {
        await services.database.write(async (tx) => await write(tx, chatId, runnerId), {
          operation: "worker.slot",
        });
      });
    } catch (error) {
      // Without a slot the chat is only counted wrongly, until its turn ends.
      if (!(error instanceof Cancelled)) services.observer.taskFailed(chatId, "slot", error);
    }
    this.#idle = idle;
    if (!signal.aborted) onIdle();
  }

  async #commit<T>(
    operation: string,
    fn: (bundle: Bundle) => Promise<T>,
    { fenced = true }: CommitOptions = {},
  ): Promise<T> {
    const { services, chatId, runnerId, onCommitted, onForeign } = this.#options;
    const { signal } = this;
    return await patiently({ ...services, chatId, signal }, operation, async () => {
      let last: Bundle | undefined;
      const fence = fenced ? { fence: fenceOf(this.#row, runnerId) } : {};
      try {
        const result = await services.machine.update(
          chatId,
          async (bundle) => {
            throwIfCancelled(signal);
            last = bundle;
            this.#committing = bundle.snapshot;
            return await fn(bundle);
          },
          { ...fence, operation },
        );
        this.#committing = null;
        this.#heldBack = null;
        onCommitted(defined(last, "the bundle").chat);
        return result;
      } catch (error) {
        const foreign = this.#heldBack;
        this.#committing = null;
        this.#heldBack = null;
        if (foreign !== null) onForeign(foreign);
        throw error;
      }
    });
  }
}

async function stopTrying(ctx: TaskContext, keep: boolean): Promise<void> {
  const error = {
    kind: "internal",
    message: "Something went wrong inside the server. The turn can be tried again.",
    retryable: true,
  } as const;
  report(ctx, await giveUp(ctx, error, { keep }));
}

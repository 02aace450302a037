import type { ChatError } from "@parley/protocol";
import type { ChatRow } from "../../domain/rows.ts";
import { ChatNotFound, FenceLost } from "../../domain/errors.ts";
import { fenceOf, type TaskKind } from "../../domain/task.ts";
import { assertNever, defined } from "../../lib/assert.ts";
import { backoffMs } from "../../lib/backoff.ts";
import type { Scope } from "../../lib/scope.ts";
import type { Bundle } from "../../machine/bundle.ts";
import { isTransient } from "../../postgres/errors.ts";
import { readChatNow } from "../../store/workers.ts";
import { abandonChat } from "../tasks/abandon.ts";
import type { CommitOptions, TaskContext, TaskServices } from "../tasks/context.ts";
import { Cancelled, throwIfCancelled } from "../tasks/context.ts";
import { deadline } from "../tasks/deadline.ts";
import { generation, giveUp } from "../tasks/generation.ts";
import { interruption } from "../tasks/interruption.ts";
import { patiently } from "../tasks/patiently.ts";
import { RunnerMemory } from "./memory.ts";
import {
  decide,
  startRunner,
  type ActiveTask,
  type Effect,
  type RunnerEvent,
  type RunnerState,
  type TaskOutcome,
} from "./state.ts";

/** Pause between two runs of a task that failed. */
const taskBackoff = { baseMs: 100, maxMs: 10_000 };

/** After so many failures that are not the database's passing faults, the turn ends in an error that people see. */
const hardFailuresMax = 5;

export interface RunnerOptions {
  readonly chatId: string;
  readonly workerId: string;
  readonly runnerId: string;
  readonly services: TaskServices;
  /** Whether the chat was running when the runner was registered: that takes capacity from then on. */
  readonly working: boolean;
  readonly scope: Scope;
  readonly onEnd: (runner: Runner) => void;
}

interface Running {
  readonly kind: TaskKind;
  readonly abort: AbortController;
  /** As the task knows it: what it was started with, then what it committed itself. */
  row: ChatRow;
  /** The snapshot that a bundle of this task has bumped to, while its commit is on its way. */
  committing: number | null;
}

/** Performs what `state.ts` decides: one chat, one active task. */
export class Runner {
  readonly chatId: string;
  readonly runnerId: string;
  readonly #options: RunnerOptions;
  readonly #memory = new RunnerMemory();
  #state: RunnerState;
  #running: Running | null = null;
  #draining = false;
  #ended: (() => void)[] = [];

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.chatId = options.chatId;
    this.runnerId = options.runnerId;
    this.#state = startRunner(options.workerId, options.runnerId);
  }

  get state(): RunnerState {
    return this.#state;
  }

  get workerId(): string {
    return this.#state.workerId;
  }

  /** Registered, and not ended. */
  get live(): boolean {
    return this.#state.phase !== "ended";
  }

  /** It drives its chat, and no task runs although the row calls for one: nothing that is meant to last. */
  get idle(): boolean {
    return this.#state.phase === "driving" && this.#running === null;
  }

  /** A model call or working tools are, or are about to be, in flight. What waits takes no capacity. */
  get working(): boolean {
    const { row } = this.#state;
    return this.live && (row === null ? this.#options.working : row.status === "running");
  }

  confirm(row: ChatRow): void {
    this.#apply({ type: "confirmed", row });
  }

  unsure(): void {
    this.#apply({ type: "unsure" });
  }

  /** A committed row, from this replica or another. */
  see(row: ChatRow): void {
    const own = this.#running?.committing === row.snapshot_version && this.#runsFor(row);
    if (own) this.#adopt(defined(this.#running, "the running task"), row);
    else this.#apply({ type: "row", row, own: false });
  }

  gone(): void {
    this.#apply({ type: "gone" });
  }

  forget(): void {
    this.#memory.forget();
    this.#apply({ type: "forget" });
  }

  /** Reads the row, and goes by it. */
  look(): void {
    void this.#options.scope.run("runner.read", async () => await this.#read());
  }

  /** Starts what the row calls for where nothing runs. */
  kick(): void {
    const { row } = this.#state;
    if (row !== null) this.#apply({ type: "row", row, own: false });
  }

  end(): void {
    this.#apply({ type: "end" });
  }

  /** Begins no further step. What only waits is given up at once. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    const { row } = this.#state;
    if (row !== null && this.#isWaiting(row)) this.giveBack();
  }

  /** Gives the chat up at once, wherever its task is. What was said so far is in the checkpoint. */
  giveBack(): void {
    const { phase, row } = this.#state;
    if (phase !== "driving" || row === null) return;
    this.#cancel();
    this.#start({ kind: "abandon", status: row.status, history_version: row.history_version }, row);
  }

  /** Ends the turn with an error, from outside of the task: the audit has found that it does not come to an end. */
  fail(error: ChatError): void {
    const { row } = this.#state;
    if (row === null) return;
    this.#cancel();
    const running = this.#begin("generation", row);
    void this.#options.scope.run("runner.fail", async () => {
      await this.#driven(running, async (ctx) => void (await giveUp(ctx, error)));
    });
  }

  ended(): Promise<void> {
    if (this.#state.phase === "ended") return Promise.resolve();
    return new Promise((resolve) => this.#ended.push(resolve));
  }

  #isWaiting(row: ChatRow): boolean {
    return (
      row.status === "requires_action" || (row.status === "running" && row.retry_state !== null)
    );
  }

  #runsFor(row: ChatRow): boolean {
    // What a cancelled task still commits is, for whatever replaced it, somebody else's change.
    return row.id === this.chatId && !this.#running?.abort.signal.aborted;
  }

  #apply(event: RunnerEvent): void {
    const { state, effects } = decide(this.#state, event);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case "cancel":
        this.#cancel();
        break;
      case "start":
        this.#start(effect.task, effect.row);
        break;
      case "read":
        this.look();
        break;
      case "end":
        this.#options.onEnd(this);
        for (const resolve of this.#ended.splice(0)) resolve();
        break;
      default:
        assertNever(effect, "effect");
    }
  }

  /** Never waited for: the fence keeps out what a cancelled task still tries to write. */
  #cancel(): void {
    this.#running?.abort.abort(new Cancelled("the row calls for something else"));
    this.#running = null;
  }

  #begin(kind: TaskKind, row: ChatRow): Running {
    const running: Running = { kind, row, abort: new AbortController(), committing: null };
    this.#running = running;
    return running;
  }

  #start(task: ActiveTask, row: ChatRow): void {
    const running = this.#begin(task.kind, row);
    void this.#options.scope.run(`runner.${task.kind}`, async () => {
      const work = this.#draining && this.#isWaiting(row) ? abandonChat : works[task.kind];
      await this.#driven(running, work);
    });
  }

  /** Runs the work until it ends in a way that says something, and tells the state how. */
  async #driven(running: Running, work: (ctx: TaskContext) => Promise<void>): Promise<void> {
    const outcome = await this.#persist(running, work);
    if (this.#running !== running) return;
    this.#running = null;
    this.#apply({ type: "task_ended", outcome });
  }

  async #persist(
    running: Running,
    work: (ctx: TaskContext) => Promise<void>,
  ): Promise<TaskOutcome> {
    const { services } = this.#options;
    const { clock, random, logger, observer } = services;
    const { signal } = running.abort;
    let hardFailures = 0;
    for (let failures = 1; ; failures++) {
      try {
        const ctx = this.#context(running);
        // oxlint-disable-next-line no-await-in-loop
        await (hardFailures >= hardFailuresMax ? stopTrying(ctx) : work(ctx));
        return signal.aborted ? "cancelled" : "success";
      } catch (error) {
        if (error instanceof Cancelled || signal.aborted) return "cancelled";
        if (error instanceof FenceLost) return "fence_lost";
        if (error instanceof ChatNotFound) return "gone";
        if (!isTransient(error)) hardFailures += 1;
        observer.taskFailed(this.chatId, running.kind, error);
        logger.warn({ err: error, chat_id: this.chatId, task: running.kind }, "a task failed");
      }
      // oxlint-disable-next-line no-await-in-loop
      await clock.sleep(backoffMs(failures, taskBackoff, random), "runner.task_retry", signal);
      if (signal.aborted) return "cancelled";
      // What failed may have been committed all the same: this decides whether the task goes on at all.
      // oxlint-disable-next-line no-await-in-loop
      await this.#read();
      if (signal.aborted || this.#running !== running) return "cancelled";
      const { row } = this.#state;
      if (row !== null) running.row = row;
    }
  }

  #context(running: Running): TaskContext {
    const { services, chatId, runnerId } = this.#options;
    const isDraining = (): boolean => this.#draining;
    return {
      ...services,
      chatId,
      runnerId,
      signal: running.abort.signal,
      get row() {
        return running.row;
      },
      get draining() {
        return isDraining();
      },
      memory: this.#memory,
      commit: async (operation, fn, options) => await this.#commit(running, operation, fn, options),
    };
  }

  async #commit<T>(
    running: Running,
    operation: string,
    fn: (bundle: Bundle) => Promise<T>,
    { fenced = true }: CommitOptions = {},
  ): Promise<T> {
    const { services, chatId, runnerId } = this.#options;
    const { signal } = running.abort;
    return await patiently({ ...services, chatId, signal }, operation, async () => {
      let last: Bundle | undefined;
      try {
        const result = await services.machine.update(
          chatId,
          async (bundle) => {
            throwIfCancelled(signal);
            last = bundle;
            running.committing = bundle.chat.snapshot_version;
            return await fn(bundle);
          },
          { ...(fenced ? { fence: fenceOf(running.row, runnerId) } : {}), operation },
        );
        this.#adopt(running, defined(last, "the bundle").chat);
        return result;
      } finally {
        running.committing = null;
      }
    });
  }

  /** A row that the task committed itself. Heard of twice: when it is published, and when the commit returns. */
  #adopt(running: Running, row: ChatRow): void {
    if (row.snapshot_version > running.row.snapshot_version) running.row = row;
    const own = this.#running === running;
    this.#apply({ type: "row", row, own });
  }

  async #read(): Promise<void> {
    const { services, scope } = this.#options;
    const { signal } = scope;
    try {
      const row = await patiently(
        { ...services, chatId: this.chatId, signal },
        "runner.read",
        async () => await readChatNow(services.database, this.chatId),
      );
      if (row === undefined) this.gone();
      else this.see(row);
    } catch (error) {
      if (!(error instanceof Cancelled)) throw error;
    }
  }
}

const works: Record<TaskKind, (ctx: TaskContext) => Promise<void>> = {
  abandon: abandonChat,
  generation,
  interruption,
  deadline,
};

async function stopTrying(ctx: TaskContext): Promise<void> {
  await giveUp(ctx, {
    kind: "internal",
    message: "Something went wrong inside the server. The turn can be tried again.",
    retryable: true,
  });
}

import type { ChatError } from "@parley/protocol";
import type { ChatRow } from "../../domain/rows.ts";
import type { TaskKind } from "../../domain/task.ts";
import { assertNever } from "../../lib/assert.ts";
import { backoffMs } from "../../lib/backoff.ts";
import type { Scope } from "../../lib/scope.ts";
import { readChatNow } from "../../store/workers.ts";
import { abandonChat } from "../tasks/abandon.ts";
import { Cancelled, type TaskServices } from "../tasks/context.ts";
import { deadline } from "../tasks/deadline.ts";
import { generation } from "../tasks/generation.ts";
import { report } from "../tasks/advance.ts";
import { giveUp } from "../tasks/give-up.ts";
import { interruption } from "../tasks/interruption.ts";
import { patiently } from "../tasks/patiently.ts";
import { firstAttempt, type FirstStep } from "../first-step.ts";
import { attemptOf, readyCall } from "../ready-call.ts";
import { RunnerMemory } from "./memory.ts";
import {
  decide,
  startRunner,
  type ActiveTask,
  type Effect,
  type RunnerEvent,
  type RunnerState,
} from "./state.ts";
import { TaskRun, type Work } from "./task-run.ts";

/** Pause before a task that the fence has refused more than once; shorter than what the audit takes for a standstill. */
const refusedBackoff = { baseMs: 100, maxMs: 2_000 };

export interface RunnerOptions {
  readonly chatId: string;
  readonly workerId: string;
  readonly runnerId: string;
  readonly services: TaskServices;
  /** Whether the chat was running when the runner was registered: that takes capacity from then on. */
  readonly working: boolean;
  /** What its turn begins with, where that is known. */
  readonly first?: FirstStep | null;
  readonly scope: Scope;
  readonly onEnd: (runner: Runner) => void;
  /** It has stopped working: there is room for another. */
  readonly onRoom: () => void;
}

/** Performs what `state.ts` decides: one chat, one active task. */
export class Runner {
  readonly chatId: string;
  readonly runnerId: string;
  readonly #options: RunnerOptions;
  readonly #memory = new RunnerMemory();
  #state: RunnerState;
  #running: TaskRun | null = null;
  #draining = false;
  #ended: (() => void)[] = [];

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.chatId = options.chatId;
    this.runnerId = options.runnerId;
    this.#state = startRunner(options.workerId, options.runnerId);
    if (options.first) this.#memory.prepare(options.first.transcript, firstAttempt);
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
    if (this.#running?.idle === true) return false;
    return this.live && (row === null ? this.#options.working : row.status === "running");
  }

  /** The commit that may make this runner the owner is on its way: what its turn begins with is made ready meanwhile. */
  makeReady(chat: ChatRow): void {
    if (this.#state.phase !== "reserved") return;
    const { services } = this.#options;
    this.#memory.holdCall((transcript) =>
      readyCall(services, attemptOf(chat, transcript), transcript),
    );
  }

  confirm(row: ChatRow): void {
    this.#apply({ type: "confirmed", row });
  }

  unsure(): void {
    this.#apply({ type: "unsure" });
  }

  /** A committed row, from this replica or another. */
  see(row: ChatRow): void {
    if (this.#running?.holdBack(row) === true) return;
    this.#apply({ type: "row", row, own: false });
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
    this.#look(0);
  }

  /** After the first refusal at once: the row has changed, as a rule. */
  #look(refusals: number): void {
    const { services, scope } = this.#options;
    void scope.run("runner.read", async (signal) => {
      if (refusals > 1) {
        const ms = backoffMs(refusals - 1, refusedBackoff, services.random);
        await services.clock.sleep(ms, "runner.refused", signal);
      }
      if (this.live) await this.#read();
    });
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
    if (row !== null && (this.#isWaiting(row) || this.#running?.idle === true)) this.giveBack();
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
      await this.#driven(running, async (ctx) => report(ctx, await giveUp(ctx, error)));
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

  #apply(event: RunnerEvent): void {
    const worked = this.working;
    const { state, effects } = decide(this.#state, event);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    if (worked && !this.working) this.#options.onRoom();
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
        this.#look(effect.refusals);
        break;
      case "end":
        this.#memory.dropCall();
        this.#options.onEnd(this);
        for (const resolve of this.#ended.splice(0)) resolve();
        break;
      default:
        assertNever(effect, "effect");
    }
  }

  /** Never waited for: the fence keeps out what a cancelled task still tries to write. */
  #cancel(): void {
    this.#running?.cancel();
    this.#running = null;
    this.#memory.dropCall();
  }

  #begin(kind: TaskKind, row: ChatRow): TaskRun {
    const { services, chatId, runnerId } = this.#options;
    const running: TaskRun = new TaskRun({
      services,
      chatId,
      runnerId,
      kind,
      row,
      memory: this.#memory,
      isDraining: () => this.#draining,
      onCommitted: (own) => this.#adopt(running, own),
      onForeign: (other) => this.see(other),
      onIdle: () => this.#onIdle(running),
      look: async () => {
        await this.#read();
        return this.#running === running ? this.#state.row : null;
      },
    });
    this.#running = running;
    return running;
  }

  #start(task: ActiveTask, row: ChatRow): void {
    // Before anything else that the commit makes people do: the provider takes longest.
    if (task.kind === "generation") this.#memory.sendCall(row);
    const running = this.#begin(task.kind, row);
    void this.#options.scope.run(`runner.${task.kind}`, async () => {
      const work = this.#draining && this.#isWaiting(row) ? abandonChat : works[task.kind];
      await this.#driven(running, work);
    });
  }

  /** What only waits takes no place: others may have it. A server that stops does not wait for it either. */
  #onIdle(running: TaskRun): void {
    if (this.#running !== running || !running.idle) return;
    if (this.#draining) this.giveBack();
    else this.#options.onRoom();
  }

  /** Runs the work until it ends in a way that says something, and tells the state how. */
  async #driven(running: TaskRun, work: Work): Promise<void> {
    const outcome = await running.run(work);
    if (this.#running !== running) return;
    this.#running = null;
    this.#apply({ type: "task_ended", outcome });
  }

  /** A row that the task committed itself; for a task that was cancelled meanwhile, it is news like any other. */
  #adopt(running: TaskRun, row: ChatRow): void {
    running.advanceTo(row);
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

const works: Record<TaskKind, Work> = {
  abandon: abandonChat,
  generation,
  interruption,
  deadline,
};

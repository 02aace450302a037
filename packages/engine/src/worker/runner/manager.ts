import type { ChatHint, Commit } from "../../domain/commit.ts";
import type { ChatRow } from "../../domain/rows.ts";
import { Scope } from "../../lib/scope.ts";
import type { Entered, Reservation } from "../../machine/ports.ts";
import { firstStep } from "../first-step.ts";
import type { TaskServices } from "../tasks/context.ts";
import { Runner } from "./runner.ts";

export interface RunnerManagerOptions {
  readonly services: TaskServices;
  /** A runner has ended, or has stopped working: there is room for another. */
  readonly onRoom: () => void;
}

/** Owners with budgets that are remembered: beyond it, each has one call made ready for nothing. */
const budgetedMax = 10_000;

/** The runners of one worker, and the way for news to reach them. */
export class RunnerManager {
  readonly #options: RunnerManagerOptions;
  readonly #scope: Scope;
  readonly #byId = new Map<string, Runner>();
  /** More than one only for a moment: a chat that was given up and taken again. */
  readonly #byChat = new Map<string, Set<Runner>>();
  /** Owners whose last turn that began here had to be reserved first. */
  readonly #budgeted = new Set<string>();

  constructor(options: RunnerManagerOptions) {
    this.#options = options;
    this.#scope = new Scope((error, label) =>
      options.services.logger.error({ err: error, label }, "a runner failed"),
    );
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Runners that take capacity. */
  get working(): number {
    let count = 0;
    for (const runner of this.#byId.values()) if (runner.working) count += 1;
    return count;
  }

  list(): Runner[] {
    return [...this.#byId.values()];
  }

  get(runnerId: string): Runner | undefined {
    return this.#byId.get(runnerId);
  }

  /** Registers a runner for a chat that a transaction is about to give to this worker. */
  reserve(chat: ChatRow, workerId: string, entered: Entered | null = null): Reservation {
    const first = entered && firstStep(this.#options.services, chat, entered);
    const runnerId = this.#options.services.random.uuid();
    const runner = new Runner({
      chatId: chat.id,
      workerId,
      runnerId,
      services: this.#options.services,
      working: chat.status === "running",
      first,
      scope: this.#scope,
      onEnd: (ended) => this.#remove(ended),
      onRoom: this.#options.onRoom,
    });
    this.#byId.set(runnerId, runner);
    const others = this.#byChat.get(chat.id) ?? new Set();
    this.#byChat.set(chat.id, others.add(runner));
    const isPlainCall = first?.isPlainCall ?? false;
    // When the statement that names it has been sent: its answer, and the commit's, are waited for in any case.
    if (isPlainCall && !this.#budgeted.has(chat.owner_id)) {
      process.nextTick(() => runner.makeReady(chat));
    }
    return {
      worker_id: workerId,
      runner_id: runnerId,
      beginsAtOnce: isPlainCall,
      confirm: (row) => {
        if (isPlainCall) this.#noteBudget(row);
        runner.confirm(row);
      },
      cancel: () => runner.end(),
      perhaps: () => runner.unsure(),
    };
  }

  /** What was made ready for nothing costs a connection: it is not done again where a budget has just held the call. */
  #noteBudget({ owner_id, generation_attempt }: ChatRow): void {
    if (generation_attempt > 0) {
      this.#budgeted.delete(owner_id);
      return;
    }
    if (this.#budgeted.size >= budgetedMax) this.#budgeted.clear();
    this.#budgeted.add(owner_id);
  }

  onCommits(commits: readonly Commit[]): void {
    for (const { chat, deleted } of commits) {
      for (const runner of this.#of(chat.id)) {
        if (deleted) runner.gone();
        else runner.see(chat);
      }
    }
  }

  /** Another replica has committed something: the row is read where it may be newer than what the runner knows. */
  onHint(hint: ChatHint): void {
    for (const runner of this.#of(hint.chat_id)) {
      const { row } = runner.state;
      if (row === null || row.snapshot_version < hint.snapshot_version) runner.look();
    }
  }

  perhaps(chatId: string): void {
    for (const runner of this.#of(chatId)) runner.look();
  }

  /** Another database, or the same one at another time: nothing that was seen counts. */
  forgetAll(): void {
    this.#options.services.histories.forgetAll();
    for (const runner of this.list()) runner.forget();
  }

  /** The lease of this worker was lost: others drive its chats. */
  endAll(workerId: string): void {
    for (const runner of this.list()) if (runner.workerId === workerId) runner.end();
  }

  async stop(): Promise<void> {
    for (const runner of this.list()) runner.end();
    await this.#scope.stop();
  }

  #of(chatId: string): Runner[] {
    return [...(this.#byChat.get(chatId) ?? [])];
  }

  #remove(runner: Runner): void {
    const { observer } = this.#options.services;
    this.#byId.delete(runner.runnerId);
    const others = this.#byChat.get(runner.chatId);
    others?.delete(runner);
    if (others?.size === 0) this.#byChat.delete(runner.chatId);
    observer.released(runner.chatId);
  }
}

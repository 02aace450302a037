import type { ChatHint, Commit } from "../domain/commit.ts";
import type { FileStore } from "../domain/files.ts";
import { approvalDeadlineMs, clientToolDeadlineMs } from "../domain/limits.ts";
import { isRunnable } from "../domain/state.ts";
import { onAbort } from "../lib/abort.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import { Scope } from "../lib/scope.ts";
import type { Machine } from "../machine/machine.ts";
import type { Acquirer } from "../machine/ports.ts";
import type { ModelPort } from "../models/model-port.ts";
import { retryDefaults, type RetryLimits } from "../models/retry-policy.ts";
import type { Database } from "../postgres/database.ts";
import type { SchemaChecker } from "../schemas/checker.ts";
import type { ToolRegistry } from "../tools/registry.ts";
import { Acquisition, acquisitionDefaults } from "./acquisition/acquisition.ts";
import { freeOf } from "./acquisition/state.ts";
import { compactionDefaults, type CompactionOptions } from "./compaction/options.ts";
import { Audit } from "./audit.ts";
import type { WorkerMcp } from "./chat-tools.ts";
import { drainWorker } from "./drain.ts";
import { Liveness } from "./liveness/loop.ts";
import { livenessDefaults, type LivenessOptions } from "./liveness/options.ts";
import { silentObserver, type WorkerObserver } from "./observer.ts";
import type { Checkpoints, Episodes } from "./ports.ts";
import { Histories } from "./histories.ts";
import { RunnerManager } from "./runner/manager.ts";
import { spendingDefaults, type Spending } from "./spending/options.ts";
import type { TaskServices } from "./tasks/context.ts";

export interface WorkerOptions {
  readonly version: string;
  /** Where other replicas reach this one's episodes; asked when the worker registers. */
  readonly relayUrl?: () => string | null;
  readonly capacity?: number;
  /** Steps of a turn. Default 200. */
  readonly stepsMax?: number;
  /** Calls of one reply that are carried out. Default 100. */
  readonly stepToolCallsMax?: number;
  /** How long a turn may run without having waited for anybody outside. Default null: any time. */
  readonly turnMs?: number | null;
  /** How long an approval may stay undecided where the tool does not say. Default a day. */
  readonly approvalDeadlineMs?: number;
  /** How long a client's tool may take where the client does not say. Default ten minutes. */
  readonly clientToolDeadlineMs?: number;
  /** Bytes of uploaded files in one model call. Default 15 MiB. */
  readonly promptFileBytesMax?: number;
  readonly retry?: RetryLimits;
  readonly compaction?: Partial<CompactionOptions>;
  readonly spending?: Spending;
  readonly liveness?: Partial<LivenessOptions>;
  readonly auditMs?: number;
  /** How long running steps get when an operator drains this worker. Default 30 s. */
  readonly drainGraceMs?: number;
  /** Figures for operators as JSON, where there are new ones: stored with the beat. */
  readonly figures?: () => string | null;
}

export interface WorkerDeps {
  readonly machine: Machine;
  readonly database: Database;
  readonly parts: Episodes;
  readonly checkpoints: Checkpoints;
  readonly files: Pick<FileStore, "head">;
  readonly models: ModelPort;
  readonly tools: ToolRegistry;
  readonly schemas: Pick<SchemaChecker, "check">;
  /** Where it is absent, chats do without the servers that they bring along. */
  readonly mcp?: WorkerMcp;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly observer?: WorkerObserver;
  readonly options: WorkerOptions;
}

export interface WorkerStats {
  readonly runners: number;
  /** Of them with a model call or tools in flight. */
  readonly working: number;
  readonly capacity: number;
  /** The last acknowledged beat is younger than half the lease. */
  readonly alive: boolean;
  readonly lockHeld: boolean;
  readonly draining: boolean;
}

const stepsMaxDefault = 200;
const stepToolCallsMaxDefault = 100;
const promptFileBytesMaxDefault = 15 * 1024 * 1024;
const takeoversMax = 3;
const auditMsDefault = 3_000;
const drainGraceMsDefault = 30_000;

/** Drives the chats that this replica owns. `start` it, feed it what the machine publishes, and `drain` it. */
export class Worker {
  readonly #deps: WorkerDeps;
  readonly #capacity: number;
  readonly #liveness: Liveness;
  readonly #manager: RunnerManager;
  readonly #acquisition: Acquisition;
  readonly #audit: Audit;
  readonly #scope: Scope;
  /** Names that this worker has had: others had held it for dead under them. */
  readonly #former = new Set<string>();
  /** Settles when everything has been handed over. */
  #drained: Promise<void> | null = null;

  constructor(deps: WorkerDeps) {
    const { machine, database, models, clock, random, logger, options } = deps;
    const observer = deps.observer ?? silentObserver;
    this.#capacity = options.capacity ?? acquisitionDefaults.capacity;
    const capacity = this.#capacity;
    const livenessOptions = { ...livenessDefaults, ...options.liveness };
    this.#deps = deps;
    this.#scope = new Scope((error, label) => logger.error({ err: error, label }, "worker failed"));
    this.#liveness = new Liveness({
      database,
      clock,
      random,
      logger,
      options: livenessOptions,
      worker: {
        version: options.version,
        capacity,
        providers: models.providers(),
        get tools() {
          return deps.tools.list().map(({ name }) => name);
        },
        get relay_url() {
          return options.relayUrl?.() ?? null;
        },
      },
      onReplaced: (before) => {
        this.#former.add(before);
        this.#manager.endAll(before);
      },
      onLapsed: () => this.resync(),
      ...(options.figures && { figures: options.figures }),
      onDrainAsked: () => this.#drainAsAsked(),
    });
    this.#manager = new RunnerManager({
      services: this.#services(observer),
      onRoom: () => this.#acquisition.room(),
    });
    this.#acquisition = new Acquisition({
      machine,
      database,
      models,
      clock,
      random,
      logger,
      observer,
      liveness: this.#liveness,
      livenessOptions,
      manager: this.#manager,
      options: { ...acquisitionDefaults, capacity },
    });
    this.#audit = new Audit({
      machine,
      database,
      clock,
      logger,
      observer,
      manager: this.#manager,
      workerId: () => this.#liveness.workerId,
      options: {
        everyMs: options.auditMs ?? auditMsDefault,
        sweepAfterMs: livenessOptions.sweepAfterMs,
      },
    });
  }

  /** New at every start, and after this worker was held for dead. */
  get id(): string {
    return this.#liveness.workerId;
  }

  /** Whether this is, or was, the id of this worker. */
  is(workerId: string): boolean {
    return workerId === this.id || this.#former.has(workerId);
  }

  /** What the machine offers chats to that an API call has just made runnable. */
  get acquirer(): Acquirer {
    return this.#acquisition;
  }

  /** Resolves when the worker is registered and takes chats. */
  async start(): Promise<void> {
    const { database, machine } = this.#deps;
    const off = database.onIdentityChange(() => this.#manager.forgetAll());
    this.#scope.defer("identity", off);
    await this.#liveness.start();
    machine.setAcquirer(this.#acquisition);
    this.#acquisition.start();
    void this.#scope.run("audit", async (signal) => await this.#audit.forever(signal));
  }

  /** What this replica has committed. Synchronous; starts and stops tasks, waits for nothing. */
  onCommits(commits: readonly Commit[]): void {
    this.#manager.onCommits(commits);
    const unowned = commits.some(
      ({ chat, deleted }) => !deleted && chat.worker_id === null && isRunnable(chat),
    );
    if (unowned) this.#acquisition.hint();
  }

  /** What another replica has committed, as the bus tells it. */
  onHint(hint: ChatHint): void {
    this.#manager.onHint(hint);
    if (hint.unowned) this.#acquisition.hint();
  }

  /** A commit's answer was lost: whoever drives the chat looks at its row, and so does acquisition. */
  perhaps(chatId: string): void {
    this.#manager.perhaps(chatId);
    this.#acquisition.hint();
  }

  /** The bus was lost and is back: anything may have been missed. */
  resync(): void {
    for (const runner of this.#manager.list()) runner.look();
    this.#acquisition.hint();
  }

  /** Ends at step boundaries within the grace, hands over the rest. An abort of `signal` ends the waiting at once. */
  async drain(graceMs: number, signal?: AbortSignal): Promise<void> {
    // Whoever stops a worker that an operator has drained waits for what is left to hand over.
    this.#drained ??= this.#drain(graceMs, signal);
    await this.#drained;
  }

  /** The process stays: its API and its streams are not what was asked to end. */
  #drainAsAsked(): void {
    if (this.#drained !== null) return;
    const { logger, options } = this.#deps;
    logger.info(
      { worker_id: this.id },
      "an operator drains this server: it takes no chats any more",
    );
    void this.#scope.run("drain", async (signal) => {
      await this.drain(options.drainGraceMs ?? drainGraceMsDefault, signal);
      logger.info({ worker_id: this.id }, "drained: every chat was handed over");
    });
  }

  async #drain(graceMs: number, signal?: AbortSignal): Promise<void> {
    const { checkpoints, clock, logger, machine } = this.#deps;
    machine.setAcquirer(null);
    await drainWorker(
      {
        liveness: this.#liveness,
        acquisition: this.#acquisition,
        manager: this.#manager,
        checkpoints,
        clock,
        logger,
      },
      graceMs,
      signal,
    );
  }

  /** Stops at once. Chats that are still driven are taken over by others as from a dead worker; drain first. */
  async stop(): Promise<void> {
    this.#deps.machine.setAcquirer(null);
    await this.#scope.stop();
    await this.#acquisition.stop();
    await this.#manager.stop();
    await this.#liveness.stop();
  }

  /** Ends as a process that is killed does: nothing is written any more. For tests and the simulator. */
  async kill(): Promise<void> {
    this.#deps.machine.setAcquirer(null);
    await this.#liveness.kill();
    await this.#scope.stop();
    await this.#acquisition.stop();
    await this.#manager.stop();
  }

  /** One pass of the audit, now. */
  async audit(): Promise<void> {
    await this.#audit.pass();
  }

  stats(): WorkerStats {
    return {
      runners: this.#manager.size,
      working: this.#manager.working,
      capacity: this.#capacity,
      alive: this.#liveness.sure,
      lockHeld: this.#liveness.lockHeld,
      draining: this.#drained !== null,
    };
  }

  #services(observer: WorkerObserver): TaskServices {
    const { options, ...deps } = this.#deps;
    return {
      ...deps,
      histories: new Histories(),
      mcp: deps.mcp ?? null,
      observer,
      compaction: { ...compactionDefaults, ...options.compaction },
      spending: options.spending ?? spendingDefaults,
      limits: {
        stepsMax: options.stepsMax ?? stepsMaxDefault,
        stepToolCallsMax: options.stepToolCallsMax ?? stepToolCallsMaxDefault,
        turnMs: options.turnMs ?? null,
        takeoversMax,
        approvalDeadlineMs: options.approvalDeadlineMs ?? approvalDeadlineMs,
        clientToolDeadlineMs: options.clientToolDeadlineMs ?? clientToolDeadlineMs,
        promptFileBytesMax: options.promptFileBytesMax ?? promptFileBytesMaxDefault,
        retry: options.retry ?? retryDefaults,
      },
      hasCapacity: () => freeOf(this.#capacity, this.#manager.working) > 0,
      sure: async (signal) => await this.#sure(signal),
      leave: (chatId) => this.#acquisition.leave(chatId),
    };
  }

  async #sure(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#liveness.sure) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const off = onAbort(signal, () => resolve());
      await Promise.race([this.#liveness.beaten(), promise]);
      off();
    }
  }
}

export function createWorker(deps: WorkerDeps): Worker {
  return new Worker(deps);
}

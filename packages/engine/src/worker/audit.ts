import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import { FenceLost, TransitionRejected } from "../domain/errors.ts";
import type { ChatRow } from "../domain/rows.ts";
import type { Machine } from "../machine/machine.ts";
import { abandon } from "../machine/ownership.ts";
import type { Database } from "../postgres/database.ts";
import { readOwned } from "../store/acquisition.ts";
import { sweepWorkers } from "../store/workers.ts";
import { audit, firstAudit, type Action, type AuditState } from "./audit-state.ts";
import type { WorkerObserver } from "./observer.ts";
import type { RunnerManager } from "./runner/manager.ts";

export interface AuditOptions {
  readonly everyMs: number;
  /** Rows of workers that are silent for so long are removed. */
  readonly sweepAfterMs: number;
}

export interface AuditDeps {
  readonly machine: Machine;
  readonly database: Database;
  readonly manager: RunnerManager;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: WorkerObserver;
  readonly workerId: () => string;
  readonly options: AuditOptions;
}

/** Rows of dead workers are in nobody's way. */
const passesPerSweep = 10;

/** Finds what should not be there: a chat without a runner, a runner without a chat, a runner without a task. */
export class Audit {
  readonly #deps: AuditDeps;
  #state: AuditState = firstAudit;
  #passes = 0;

  constructor(deps: AuditDeps) {
    this.#deps = deps;
  }

  async forever(signal: AbortSignal): Promise<void> {
    const { clock, logger, options } = this.#deps;
    while (!signal.aborted) {
      await clock.sleep(options.everyMs, "audit", signal);
      if (signal.aborted) return;
      try {
        await this.pass();
      } catch (error) {
        logger.debug({ err: error }, "the audit could not be done");
      }
    }
  }

  /** One comparison; acts on what the one before it found too. */
  async pass(): Promise<void> {
    const { database, manager, options } = this.#deps;
    const workerId = this.#deps.workerId();
    const runners = manager.list().filter((runner) => runner.workerId === workerId);
    const rows = await readOwned(
      {
        query: async <R>(statement: Parameters<Database["one"]>[0]) =>
          await database.one<R>(statement, { operation: "worker.audit", lane: "upkeep" }),
      },
      workerId,
    );
    const audited = runners
      .filter((runner) => runner.live)
      .map(({ state, chatId, idle }) => ({ state, chatId, idle }));
    const { state, actions } = audit(
      this.#state,
      rows,
      audited,
      (runnerId) => manager.get(runnerId) !== undefined,
    );
    this.#state = state;
    for (const action of actions) {
      await this.#act(action);
    }
    if (this.#passes++ % passesPerSweep !== 0) return;
    await database.write(async (tx) => await sweepWorkers(tx, options.sweepAfterMs), {
      operation: "worker.sweep",
      lane: "upkeep",
    });
  }

  async #act({ finding, stalled }: Action): Promise<void> {
    const { manager, logger, observer } = this.#deps;
    const { kind, runnerId } = finding;
    const runner = manager.get(runnerId);
    const chat_id = runner?.chatId ?? ("row" in finding ? finding.row.id : "");
    logger.warn({ finding: kind, chat_id, runner_id: runnerId, stalled }, "the audit mends a chat");
    observer.audited(chat_id, kind);
    switch (kind) {
      case "orphan":
        await this.#abandon(finding.row, runnerId);
        break;
      case "ghost":
        runner?.look();
        runner?.end();
        break;
      case "behind":
        runner?.see(finding.row);
        break;
      case "idle":
        if (stalled) runner?.fail(stalledError);
        else runner?.kick();
        break;
    }
  }

  async #abandon(row: ChatRow, runnerId: string): Promise<void> {
    const { machine } = this.#deps;
    try {
      await machine.update(row.id, async (bundle) => await abandon(bundle, runnerId), {
        operation: "worker.abandon",
        lane: "upkeep",
      });
    } catch (error) {
      if (!(error instanceof FenceLost || error instanceof TransitionRejected)) throw error;
    }
  }
}

const stalledError = {
  kind: "stalled",
  message: "The server lost track of this turn and could not get it going again.",
  retryable: true,
} as const;

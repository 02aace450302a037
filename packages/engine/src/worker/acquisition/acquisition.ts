import type { ChatRow } from "../../domain/rows.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import { Scope } from "../../lib/scope.ts";
import { Wake } from "../../lib/wake.ts";
import { acquireBatch } from "../../machine/acquire-batch.ts";
import type { Machine } from "../../machine/machine.ts";
import type { Acquirer, Offered, Reservation } from "../../machine/ports.ts";
import type { ModelPort } from "../../models/model-port.ts";
import type { Database } from "../../postgres/database.ts";
import { lookForRunnable, type Wanted } from "../../store/acquisition.ts";
import { readSuspects } from "../../store/workers.ts";
import {
  expiredBeats,
  noFutureBeats,
  observeBeats,
  type FutureBeats,
} from "../liveness/future-beats.ts";
import type { Liveness } from "../liveness/loop.ts";
import type { LivenessOptions } from "../liveness/options.ts";
import type { WorkerObserver } from "../observer.ts";
import type { RunnerManager } from "../runner/manager.ts";
import { decideReserve, freeOf, jittered, needsModel, Served } from "./state.ts";

export interface AcquisitionOptions {
  /** Chats with a model call or working tools in flight. */
  readonly capacity: number;
  /** Between two looks, about: what the hints have missed waits this long. */
  readonly timerMs: number;
  /** Between two searches for dead owners. */
  readonly searchMs: number;
  /** Chats taken at once of those that need no capacity. */
  readonly unconditionalMax: number;
  /** Until the next look, about, where another replica was just giving out slots. */
  readonly admissionRetryMs: number;
  /** For how long a chat is left to another worker that has the tools which this one lacks. */
  readonly leftMs: number;
}

export const acquisitionDefaults: AcquisitionOptions = {
  capacity: 100,
  timerMs: 1_000,
  searchMs: 250,
  unconditionalMax: 100,
  admissionRetryMs: 20,
  leftMs: 5_000,
};

/** "soon": slots were just being given out by another, and there may be one left. */
type PassOutcome = "again" | "done" | "soon";

const notSaid: Offered = { resumes: false, entered: null };

/** Models that were found not to be configured here. Bounded: names come from users. */
const refusedModelsMax = 1_000;

export interface AcquisitionDeps {
  readonly machine: Machine;
  readonly database: Database;
  readonly models: ModelPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly observer: WorkerObserver;
  readonly liveness: Liveness;
  readonly livenessOptions: LivenessOptions;
  readonly manager: RunnerManager;
  readonly options: AcquisitionOptions;
}

/** Takes chats: those that the API of this replica has just made runnable, and those that are found. */
export class Acquisition implements Acquirer {
  readonly #deps: AcquisitionDeps;
  readonly #scope: Scope;
  readonly #wake = new Wake();
  readonly #refused = new Set<string>();
  readonly #served = new Served();
  /** Chats that another worker shall take, and until when (monotonic) they are left to it. */
  readonly #left = new Map<string, number>();
  #futureBeats: FutureBeats = noFutureBeats;
  #draining = false;
  /** The last look left chats behind that wait for room or for a slot: a new one does not overtake them. */
  #othersWait = false;
  #looking = false;

  constructor(deps: AcquisitionDeps) {
    this.#deps = deps;
    this.#scope = new Scope((error, label) =>
      deps.logger.error({ err: error, label }, "acquisition failed"),
    );
  }

  start(): void {
    void this.#scope.run("acquisition", async (signal) => await this.#acquireForever(signal));
    void this.#scope.run("dead owners", async (signal) => await this.#searchForever(signal));
  }

  async stop(): Promise<void> {
    this.#draining = true;
    await this.#scope.stop();
  }

  drain(): void {
    this.#draining = true;
  }

  /** There may be something to take. */
  hint(): void {
    const { manager, options } = this.#deps;
    if (freeOf(options.capacity, manager.working) === 0) this.#othersWait = true;
    this.#wake.set();
  }

  /** There is room again. Where nobody was seen to wait for it, the timer is soon enough. */
  room(): void {
    // A look that is under way may have seen how it was before.
    if (this.#othersWait || this.#looking) this.#wake.set();
  }

  /** For a while the chat is another worker's to take: this one lacks what it needs. */
  leave(chatId: string): void {
    const { clock, options } = this.#deps;
    this.#left.set(chatId, clock.monotonic() + options.leftMs);
  }

  #leftNow(): string[] {
    const now = this.#deps.clock.monotonic();
    for (const [chatId, until] of this.#left) if (until <= now) this.#left.delete(chatId);
    return [...this.#left.keys()];
  }

  reserve(chat: ChatRow, { resumes, entered }: Offered = notSaid): Reservation | null {
    if (needsModel(chat) && this.#leftNow().includes(chat.id)) return null;
    const { liveness, manager, models, observer, options } = this.#deps;
    const reserved = decideReserve(chat, {
      accepting: !this.#draining && liveness.sure,
      free: freeOf(options.capacity, manager.working),
      othersWait: this.#othersWait,
      hasModel: models.has(chat.model),
      resumes,
    });
    if (!reserved) return null;
    this.#served.add(chat.owner_id);
    const reservation = manager.reserve(chat, liveness.workerId, entered);
    return {
      ...reservation,
      confirm: (row) => {
        observer.acquired(row, "with_commit");
        reservation.confirm(row);
      },
    };
  }

  async #acquireForever(signal: AbortSignal): Promise<void> {
    const { clock, random, logger, options } = this.#deps;
    while (!signal.aborted) {
      let waitMs = options.timerMs;
      try {
        this.#looking = true;
        let outcome: PassOutcome;
        do outcome = await this.#pass();
        while (!signal.aborted && outcome === "again");
        if (outcome === "soon") waitMs = options.admissionRetryMs;
      } catch (error) {
        logger.warn({ err: error }, "chats could not be taken");
      } finally {
        this.#looking = false;
      }
      await this.#wake.wait(signal, clock, jittered(waitMs, random), "acquisition.timer");
    }
  }

  /** One look, and one transaction where there is something to take. */
  async #pass(): Promise<PassOutcome> {
    const { machine, database, models, manager, observer, liveness } = this.#deps;
    if (this.#draining || !liveness.sure) return "done";
    const wanted = this.#wanted();
    const look = {
      query: async <R>(statement: Parameters<Database["one"]>[0]) =>
        await database.one<R>(statement, { operation: "worker.look", lane: "upkeep" }),
    };
    const { found: any, held } = await lookForRunnable(look, wanted);
    if (!any) {
      // A hint that came during the look may be of a chat that it did not see.
      if (held) this.#othersWait = true;
      else if (wanted.free > 0 && !this.#wake.pending) this.#othersWait = false;
      return "done";
    }
    let refused = 0;
    const { taken, found, admitted } = await acquireBatch(machine, {
      wanted,
      reserve: (chat) => {
        if (this.#draining) return null;
        if (needsModel(chat) && !models.has(chat.model)) {
          refused += 1;
          this.#refuse(chat.model);
          return null;
        }
        this.#served.add(chat.owner_id);
        return manager.reserve(chat, wanted.worker_id);
      },
    });
    for (const { before, chat } of taken) {
      observer.acquired(chat, before.worker_id === null ? "search" : "takeover");
    }
    // As many as there was room for: there may be more, and they were there first.
    const full = taken.filter(({ chat }) => chat.status === "running").length >= wanted.free;
    this.#othersWait = full || held || !admitted || (this.#othersWait && this.#wake.pending);
    if (!admitted) return "soon";
    return refused > 0 || (found > 0 && taken.length > 0) ? "again" : "done";
  }

  #wanted(): Wanted {
    const { liveness, livenessOptions, machine, manager, options, clock } = this.#deps;
    const { leaseMs, silenceMs, settledBeats, beatMs } = livenessOptions;
    return {
      worker_id: liveness.workerId,
      free: freeOf(options.capacity, manager.working),
      unconditional_max: options.unconditionalMax,
      refused_models: [...this.#refused],
      left_chats: this.#leftNow(),
      served_owners: this.#served.list(),
      limits: machine.limits,
      expired: expiredBeats(this.#futureBeats, clock.monotonic(), leaseMs),
      lease_ms: leaseMs,
      silence_ms: silenceMs,
      settled_ms: settledBeats * beatMs,
    };
  }

  #refuse(model: string): void {
    if (this.#refused.size >= refusedModelsMax) this.#refused.clear();
    this.#refused.add(model);
  }

  async #searchForever(signal: AbortSignal): Promise<void> {
    const { clock, logger, options } = this.#deps;
    while (!signal.aborted) {
      await clock.sleep(options.searchMs, "acquisition.search", signal);
      if (signal.aborted || this.#draining) continue;
      try {
        await this.#search();
      } catch (error) {
        logger.debug({ err: error }, "the search for dead owners failed");
      }
    }
  }

  async #search(): Promise<void> {
    const { database, clock, livenessOptions } = this.#deps;
    const { leaseMs, silenceMs } = livenessOptions;
    const look = {
      query: async <R>(statement: Parameters<Database["one"]>[0]) =>
        await database.one<R>(statement, { operation: "worker.search", lane: "upkeep" }),
    };
    const suspects = await readSuspects(look, leaseMs, silenceMs);
    const now = clock.monotonic();
    this.#futureBeats = observeBeats(this.#futureBeats, suspects, now);
    const expired = new Set(expiredBeats(this.#futureBeats, now, leaseMs).map(({ id }) => id));
    if (suspects.some(({ id, dead, owns }) => owns && (dead || expired.has(id)))) this.hint();
  }
}

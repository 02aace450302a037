import { linked } from "../../lib/abort.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import { Scope } from "../../lib/scope.ts";
import { Wake } from "../../lib/wake.ts";
import type { Database } from "../../postgres/database.ts";
import type { DedicatedConnection } from "../../postgres/dedicated.ts";
import {
  beatWorker,
  othersAreWell,
  registerWorker,
  removeWorker,
  tellTools,
} from "../../store/workers.ts";
import { holdLock } from "./lock.ts";
import type { LivenessOptions } from "./options.ts";
import {
  applyLiveness,
  isSure,
  reconnectMs,
  startLiveness,
  type LivenessEvent,
  type LivenessState,
} from "./state.ts";

export interface LivenessDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly options: LivenessOptions;
  readonly worker: {
    readonly relay_url: string | null;
    readonly version: string;
    readonly capacity: number;
    readonly providers: readonly string[];
    /** Looked at with each beat. */
    readonly tools: readonly string[];
  };
  /** Figures for operators, as JSON, where there are new ones. Asked with each beat; must not throw. */
  readonly figures?: () => string | null;
  /** Somebody has asked for it, through any replica. Called with every beat from then on. */
  readonly onDrainAsked: () => void;
  /** The worker was held for dead and goes on under another id: what ran under the old one is over. */
  readonly onReplaced: (before: string, after: string) => void;
  /** The lease was over for a while, though the row is still there: others may have taken chats meanwhile. */
  readonly onLapsed: () => void;
}

/** Keeps the worker's row alive: one beat a second on a connection of its own, and the lock beside it. */
export class Liveness {
  readonly #deps: LivenessDeps;
  readonly #scope: Scope;
  readonly #beatNow = new Wake();
  #state: LivenessState;
  #beaten: (() => void)[] = [];
  /** What the row says of tools. */
  #toldTools = "";

  constructor(deps: LivenessDeps) {
    this.#deps = deps;
    this.#state = startLiveness(deps.random.uuid());
    this.#scope = new Scope((error, label) =>
      deps.logger.error({ err: error, label }, "liveness failed"),
    );
  }

  get workerId(): string {
    return this.#state.workerId;
  }

  /** Whether what must not happen twice may begin now. */
  get sure(): boolean {
    return isSure(this.#state, this.#deps.clock.monotonic(), this.#deps.options);
  }

  get lockHeld(): boolean {
    return this.#state.lockKey !== null;
  }

  /** Resolves with the next acknowledged beat. */
  beaten(): Promise<void> {
    return new Promise((resolve) => this.#beaten.push(resolve));
  }

  /** Resolves when the row has been written, or on stop. */
  async start(): Promise<void> {
    const first = this.beaten();
    void this.#scope.run("liveness.beat", (signal) => this.#beatForever(signal));
    void this.#scope.run("liveness.lock", (signal) =>
      holdLock({ ...this.#deps, emit: (event) => this.#apply(event) }, signal),
    );
    await first;
  }

  /** Tells everybody that this worker takes nothing any more. */
  drain(): void {
    this.#apply({ type: "drain" });
    this.#beatNow.set();
  }

  /** Ends the beats, lets the lock go, and removes the row where no chat names it. */
  async stop(): Promise<void> {
    await this.kill();
    if (!this.#state.registered) return;
    try {
      await this.#deps.database.write(async (tx) => await removeWorker(tx, this.#state.workerId), {
        operation: "worker.remove",
        lane: "upkeep",
      });
    } catch (error) {
      this.#deps.logger.debug({ err: error }, "the worker's row stays behind; others sweep it");
    }
  }

  /** Ends beats and lock, and leaves the row as it is. */
  async kill(): Promise<void> {
    await this.#scope.stop();
    for (const resolve of this.#beaten.splice(0)) resolve();
  }

  #apply(event: LivenessEvent): void {
    const had = this.#state.lockKey;
    this.#state = applyLiveness(this.#state, event);
    // A lock is registered, or unregistered, with a beat: at once, since it shortens or lengthens the wait of others.
    if (this.#state.lockKey !== had) this.#beatNow.set();
  }

  async #beatForever(signal: AbortSignal): Promise<void> {
    const { database, clock, logger, options } = this.#deps;
    while (!signal.aborted) {
      let connection: DedicatedConnection | undefined;
      try {
        connection = await database.connection("worker.beat", {
          statementTimeoutMs: options.beatMs * 3,
          answerWaitMs: options.beatMs * 3,
        });
        await this.#beatOn(connection, signal);
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error }, "beats are interrupted");
      } finally {
        await connection?.close();
      }
      if (signal.aborted) return;
      this.#apply({ type: "beat_connection_lost" });
      await clock.sleep(reconnectMs(this.#state.failures, options), "liveness.reconnect", signal);
    }
  }

  async #beatOn(connection: DedicatedConnection, signal: AbortSignal): Promise<void> {
    const { clock, options } = this.#deps;
    const lost = linked(signal);
    connection.onLost((cause) => lost.abort(cause));
    try {
      while (!lost.signal.aborted) {
        await this.#beat(connection);
        await this.#beatNow.wait(lost.signal, clock, options.beatMs, "liveness.beat");
      }
    } finally {
      lost.dispose();
    }
  }

  async #beat(connection: DedicatedConnection): Promise<void> {
    const { clock, logger, options, worker, onLapsed } = this.#deps;
    const sentAt = clock.monotonic();
    const { workerId, registered, draining, lockKey, unwell, beatSentAt } = this.#state;
    const lapsed = registered && sentAt - (beatSentAt ?? sentAt) > options.leaseMs;
    if (lapsed && (await this.#gapWasOwn(connection))) {
      this.#replace("the lease was over while others lived on");
      return;
    }
    if (!registered) {
      const { tools } = worker;
      await registerWorker(connection, { id: workerId, ...worker, tools });
      this.#toldTools = tools.join();
      this.#apply({ type: "registered", sentAt });
      if (lockKey !== null || draining) this.#beatNow.set();
    } else {
      const known = await beatWorker(connection, {
        worker_id: workerId,
        draining,
        lock_key: lockKey,
        reset_health: unwell,
        beat_ms: options.beatMs,
        figures: this.#deps.figures?.() ?? null,
      });
      if (known === undefined) {
        this.#replace("others held this worker for dead");
        return;
      }
      this.#apply({ type: "beat", sentAt });
      if (known.drain) this.#deps.onDrainAsked();
      await this.#tellTools(connection, workerId);
      if (lapsed) {
        logger.warn({ worker_id: workerId }, "the lease was over: others may have taken chats");
        onLapsed();
      }
    }
    for (const resolve of this.#beaten.splice(0)) resolve();
  }

  /** Others hand chats over by it: a server that has answered late, or has other tools now, is told of. */
  async #tellTools(connection: DedicatedConnection, workerId: string): Promise<void> {
    const { tools } = this.#deps.worker;
    const told = tools.join();
    if (told === this.#toldTools) return;
    await tellTools(connection, workerId, tools);
    this.#toldTools = told;
  }

  /** Whether the gap in the beats was this process's own: after a stall of the database the owners come back as they were. */
  async #gapWasOwn(connection: DedicatedConnection): Promise<boolean> {
    const { leaseMs, beatMs, settledBeats } = this.#deps.options;
    return await othersAreWell(connection, this.#state.workerId, leaseMs, settledBeats * beatMs);
  }

  /** Goes on under a new name: what names the old one belongs to whoever takes it. */
  #replace(why: string): void {
    const { random, logger, onReplaced } = this.#deps;
    const { workerId: before, lockKey } = this.#state;
    const after = random.uuid();
    logger.warn({ before, after }, why);
    this.#apply({ type: "replaced", workerId: after });
    // The lock is still held; it belongs to the process, not to the name.
    if (lockKey !== null) this.#apply({ type: "lock_proved", key: lockKey });
    onReplaced(before, after);
    this.#beatNow.set();
  }
}

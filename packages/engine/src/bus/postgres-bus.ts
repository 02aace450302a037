import type { ChatHint } from "../domain/commit.ts";
import { backoffMs } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import { Scope } from "../lib/scope.ts";
import { Wake } from "../lib/wake.ts";
import type { Bus, BusListener } from "./bus.ts";
import { HintBatch } from "./hint-batch.ts";
import { payloadBytesMax, type NotificationChannel, type Notifications } from "./notifications.ts";
import { decodeHints, encodeHints } from "./wire.ts";

/** Hints that wait while the connection is down. Beyond it they are dropped: the resync finds what they meant. */
const waitingHintsMax = 10_000;

const reconnectBackoff = { baseMs: 100, maxMs: 5_000 };

export interface PostgresBusOptions {
  readonly replicaId: string;
  readonly notifications: Notifications;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * The bus over LISTEN/NOTIFY: one notifier and one listener for the replica, outside of any chat's transaction. While
 * one statement is under way further hints gather, so that a storm of commits is few statements.
 */
export class PostgresBus implements Bus {
  readonly #options: PostgresBusOptions;
  readonly #scope: Scope;
  readonly #listeners = new Set<BusListener>();
  readonly #batch = new HintBatch();
  readonly #wake = new Wake();

  constructor(options: PostgresBusOptions) {
    this.#options = options;
    this.#scope = new Scope((error, label) => options.logger.error({ err: error, label }, "bus"));
  }

  publish(hint: ChatHint): void {
    if (this.#batch.size >= waitingHintsMax) return;
    this.#batch.add(hint);
    this.#wake.set();
  }

  subscribe(listener: BusListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start(): void {
    void this.#scope.run("bus", async (signal) => await this.#run(signal));
  }

  async stop(): Promise<void> {
    await this.#scope.stop();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#options;
    for (let failures = 0; !signal.aborted;) {
      const session = new AbortController();
      const end = (): void => session.abort();
      signal.addEventListener("abort", end, { once: true });
      try {
        // oxlint-disable-next-line no-await-in-loop
        await this.#session(session, () => (failures = 0));
      } catch (error) {
        logger.warn({ err: error }, "the bus lost its connection");
      } finally {
        signal.removeEventListener("abort", end);
      }
      failures += 1;
      const waitMs = backoffMs(failures, reconnectBackoff, random);
      // oxlint-disable-next-line no-await-in-loop
      await clock.sleep(waitMs, "bus.reconnect", signal);
    }
  }

  async #session(session: AbortController, connected: () => void): Promise<void> {
    const { notifications, replicaId } = this.#options;
    const channel = await notifications.open({
      received: (payload) => this.#received(payload),
      lost: () => session.abort(),
    });
    try {
      connected();
      // What was published while nobody listened is found by looking, not by asking for it again.
      for (const listener of this.#listeners) listener.resync();
      while (!session.signal.aborted) {
        // oxlint-disable-next-line no-await-in-loop
        if ((await this.#wake.wait(session.signal)) !== "set") break;
        const payloads = encodeHints(replicaId, this.#batch.drain(), payloadBytesMax);
        // oxlint-disable-next-line no-await-in-loop
        await send(channel, payloads);
      }
    } finally {
      await channel.close();
    }
  }

  #received(payload: string): void {
    const batch = decodeHints(payload);
    if (batch === null || batch.origin === this.#options.replicaId) return;
    for (const hint of batch.hints) for (const listener of this.#listeners) listener.hint(hint);
  }
}

async function send(channel: NotificationChannel, payloads: readonly string[]): Promise<void> {
  if (payloads.length > 0) await channel.notify(payloads);
}

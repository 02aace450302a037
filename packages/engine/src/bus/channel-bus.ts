import type { ChatHint } from "../domain/commit.ts";
import { onAbort } from "../lib/abort.ts";
import { backoffMs } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import { Scope } from "../lib/scope.ts";
import { Wake } from "../lib/wake.ts";
import type { Bus, BusListener } from "./bus.ts";
import type { HintChannel } from "./channel.ts";
import { HintBatch } from "./hint-batch.ts";
import { decodeHints, encodeHints } from "./wire.ts";

/** Hints that wait while there is no connection. Beyond it they are dropped: the resync finds what they meant. */
const waitingHintsMax = 10_000;

const reconnectBackoff = { baseMs: 100, maxMs: 5_000 };

export interface ChannelBusOptions {
  readonly replicaId: string;
  readonly channel: HintChannel;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * The bus over a channel that may break at any time. Hints gather while a sending is under way, so that a storm of
 * commits is few messages; after every connection, the first included, everybody looks at the database.
 */
export class ChannelBus implements Bus {
  readonly #options: ChannelBusOptions;
  readonly #scope: Scope;
  readonly #listeners = new Set<BusListener>();
  readonly #batch = new HintBatch();
  readonly #wake = new Wake();

  constructor(options: ChannelBusOptions) {
    this.#options = options;
    this.#scope = new Scope((err, label) => options.logger.error({ err, label }, "the bus failed"));
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
      const off = onAbort(signal, () => session.abort());
      try {
        // oxlint-disable-next-line no-await-in-loop
        await this.#session(session, () => (failures = 0));
      } catch (err) {
        if (!signal.aborted) logger.warn({ err }, "the bus lost its connection");
      } finally {
        off();
      }
      failures += 1;
      const waitMs = backoffMs(failures, reconnectBackoff, random);
      // oxlint-disable-next-line no-await-in-loop
      await clock.sleep(waitMs, "bus.reconnect", signal);
    }
  }

  async #session(session: AbortController, connected: () => void): Promise<void> {
    const { channel, replicaId } = this.#options;
    const open = await channel.open({
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
        const payloads = encodeHints(replicaId, this.#batch.drain(), channel.payloadBytesMax);
        // oxlint-disable-next-line no-await-in-loop
        if (payloads.length > 0) await open.send(payloads);
      }
    } finally {
      await open.close();
    }
  }

  #received(payload: string): void {
    const batch = decodeHints(payload);
    if (batch === null || batch.origin === this.#options.replicaId) return;
    for (const hint of batch.hints) for (const listener of this.#listeners) listener.hint(hint);
  }
}

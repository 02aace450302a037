import type { ChatHint } from "../domain/commit.ts";
import { onAbort } from "../lib/abort.ts";
import { backoffMs } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import { Scope } from "../lib/scope.ts";
import { Wake } from "../lib/wake.ts";
import type { Bus, BusListener } from "./bus.ts";
import type { HintChannel, OpenChannel } from "./channel.ts";
import { HintBatch } from "./hint-batch.ts";
import { announceMs, Presence } from "./presence.ts";
import { decodeHints, encodeAnnouncement, encodeHints, headOf } from "./wire.ts";

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
 * commits is few messages; after every connection, the first included, everybody looks at the database. A replica that is
 * alone tells nobody: all that it says is that it is there.
 */
export class ChannelBus implements Bus {
  readonly #options: ChannelBusOptions;
  readonly #scope: Scope;
  readonly #listeners = new Set<BusListener>();
  readonly #batch = new HintBatch();
  readonly #wake = new Wake();
  readonly #ownHead: string;
  #presence: Presence;

  constructor(options: ChannelBusOptions) {
    this.#options = options;
    this.#ownHead = headOf(options.replicaId);
    this.#presence = new Presence(options.clock.monotonic());
    this.#scope = new Scope((err, label) => options.logger.error({ err, label }, "the bus failed"));
  }

  /** No other replica has been heard for a while: hints are not sent. */
  get alone(): boolean {
    return this.#presence.alone;
  }

  publish(hint: ChatHint): void {
    if (this.#presence.alone) return;
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
    const { channel, clock } = this.#options;
    const open = await channel.open({
      received: (payload) => this.#received(payload),
      lost: () => session.abort(),
    });
    try {
      connected();
      this.#presence = new Presence(clock.monotonic());
      // What was published while nobody listened is found by looking, not by asking for it again.
      for (const listener of this.#listeners) listener.resync();
      await this.#talk(open, session.signal);
    } finally {
      await open.close();
    }
  }

  /** Hints as they come, and that this replica is there. @throws what `send` throws */
  async #talk(open: OpenChannel, signal: AbortSignal): Promise<void> {
    const { channel, replicaId, clock } = this.#options;
    let announceAt = clock.monotonic();
    while (!signal.aborted) {
      const waitMs = announceAt - clock.monotonic();
      if (waitMs > 0) {
        // oxlint-disable-next-line no-await-in-loop
        const reason = await this.#wake.wait(signal, clock, waitMs, "bus.announce");
        if (reason === "aborted") return;
      }
      const due = clock.monotonic() >= announceAt;
      const payloads = encodeHints(replicaId, this.#batch.drain(), channel.payloadBytesMax);
      if (due) payloads.push(encodeAnnouncement(replicaId));
      // oxlint-disable-next-line no-await-in-loop
      if (payloads.length > 0) await open.send(payloads);
      if (!due) continue;
      announceAt = clock.monotonic() + announceMs;
      this.#presence.announced(clock.monotonic());
    }
  }

  #received(payload: string): void {
    const { clock } = this.#options;
    // What one has said oneself comes back with every commit: not worth the reading.
    if (payload.startsWith(this.#ownHead)) return;
    const batch = decodeHints(payload);
    if (batch === null) return;
    this.#presence.heard(clock.monotonic());
    for (const hint of batch.hints) for (const listener of this.#listeners) listener.hint(hint);
  }
}

import type { StreamCloseReason } from "@parley/protocol";
import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Scope } from "../../lib/scope.ts";
import type { Database } from "../../postgres/database.ts";
import { findDeadTokens } from "../../store/tokens.ts";
import { reader } from "../reader.ts";

export interface StreamRegistryOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly scope: Scope;
  readonly tokenRecheckMs: number;
}

/** A stream that can be ended from outside. */
export interface OpenStreamHandle {
  end(reason: StreamCloseReason): void;
}

/**
 * The open streams of this replica by the token that opened them, so that they end with it: at once where it is
 * revoked here, within `tokenRecheckMs` where it was revoked elsewhere or has expired.
 */
export class StreamRegistry {
  readonly #options: StreamRegistryOptions;
  readonly #byToken = new Map<string, Set<OpenStreamHandle>>();

  constructor(options: StreamRegistryOptions) {
    this.#options = options;
  }

  /** Runs the re-checks until the scope stops. */
  start(): void {
    const { scope, clock, tokenRecheckMs } = this.#options;
    void scope.run("re-check the tokens of streams", async (signal) => {
      while (!signal.aborted) {
        await clock.sleep(tokenRecheckMs, "http.token_recheck", signal);
        if (!signal.aborted) await this.#recheck();
      }
    });
  }

  get size(): number {
    let size = 0;
    for (const streams of this.#byToken.values()) size += streams.size;
    return size;
  }

  add(tokenId: string, stream: OpenStreamHandle): () => void {
    const streams = this.#byToken.get(tokenId) ?? new Set<OpenStreamHandle>();
    this.#byToken.set(tokenId, streams);
    streams.add(stream);
    return () => {
      streams.delete(stream);
      if (streams.size === 0 && this.#byToken.get(tokenId) === streams) {
        this.#byToken.delete(tokenId);
      }
    };
  }

  endToken(tokenId: string): void {
    for (const stream of this.#byToken.get(tokenId) ?? []) stream.end("forbidden");
  }

  endAll(reason: StreamCloseReason): void {
    for (const streams of this.#byToken.values()) {
      for (const stream of streams) stream.end(reason);
    }
  }

  async #recheck(): Promise<void> {
    if (this.#byToken.size === 0) return;
    const { database, logger } = this.#options;
    try {
      const sql = reader(database, "http.recheck_tokens");
      for (const tokenId of await findDeadTokens(sql, [...this.#byToken.keys()])) {
        this.endToken(tokenId);
      }
    } catch (err) {
      // Streams outlive a database that is away for a while; the next pass looks again.
      logger.warn({ err }, "could not re-check the tokens of open streams");
    }
  }
}

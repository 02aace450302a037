import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Scope } from "../../lib/scope.ts";
import type { Database } from "../../postgres/database.ts";
import { takeTicket } from "../../store/tickets.ts";
import { findLiveToken, noteTokenUse, type LiveToken } from "../../store/tokens.ts";
import { reader } from "../reader.ts";
import type { Caller } from "./caller.ts";
import { hashToken, isPlausible } from "../../domain/token.ts";

export interface AuthenticatorOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly scope: Scope;
  readonly tokenCacheMs: number;
}

interface Entry {
  readonly caller: Caller;
  readonly untilMs: number;
}

/** Tokens in use at one moment on one replica; beyond it the oldest entry is asked for again. */
const entriesMax = 10_000;

/** Resolves tokens and tickets. One query for a token, then none until its entry is `tokenCacheMs` old. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #entries = new Map<string, Entry>();
  /** Grows with every revocation made here: a query that began before one must not fill the cache after it. */
  #revocations = 0;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** Null: no such token, or it is revoked or expired. */
  async byToken(token: string): Promise<Caller | null> {
    if (!isPlausible(token)) return null;
    const hash = hashToken(token);
    const key = hash.toString("base64url");
    const known = this.#entries.get(key);
    const nowMs = this.#options.clock.monotonic();
    if (known && known.untilMs > nowMs) return known.caller;
    this.#entries.delete(key);

    const revocations = this.#revocations;
    const found = await findLiveToken(reader(this.#options.database, "auth.token"), hash);
    if (found === undefined) return null;
    const caller = callerOf(found);
    if (revocations === this.#revocations) {
      const ttlMs = Math.min(this.#options.tokenCacheMs, found.expires_in_ms ?? Infinity);
      this.#remember(key, { caller, untilMs: nowMs + ttlMs });
    }
    if (found.use_to_note) this.#noteUse(found.token_id);
    return caller;
  }

  /** Uses the ticket up. `chatId` is the chat whose stream is asked for, null for the list. */
  async byTicket(ticket: string, chatId: string | null): Promise<Caller | null> {
    if (!isPlausible(ticket)) return null;
    const taken = await this.#options.database.write((tx) => takeTicket(tx, hashToken(ticket)), {
      operation: "auth.ticket",
    });
    if (taken === undefined || taken.chat_id !== chatId) return null;
    return callerOf(taken);
  }

  /** The token is good no more: forget it now. */
  forget(tokenId: string): void {
    this.#revocations += 1;
    for (const [key, entry] of this.#entries) {
      if (entry.caller.tokenId === tokenId) this.#entries.delete(key);
    }
  }

  #remember(key: string, entry: Entry): void {
    if (this.#entries.size >= entriesMax) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    this.#entries.set(key, entry);
  }

  #noteUse(tokenId: string): void {
    const { database, logger, scope } = this.#options;
    void scope.run("note token use", async () => {
      try {
        await database.write((tx) => noteTokenUse(tx, tokenId), { operation: "auth.note_use" });
      } catch (err) {
        // Good to know, and no reason to refuse anything.
        logger.debug({ err, token_id: tokenId }, "could not note when a token was used");
      }
    });
  }
}

function callerOf(found: Omit<LiveToken, "expires_in_ms" | "use_to_note">): Caller {
  return {
    principalId: found.principal_id,
    principalName: found.principal_name,
    isAdmin: found.is_admin,
    tokenId: found.token_id,
  };
}

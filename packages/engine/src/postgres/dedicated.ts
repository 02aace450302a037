import { Client } from "pg";
import { DatabaseUnavailable } from "./errors.ts";
import { readIdentity, type IdentityWatch } from "./identity.ts";
import { endClient, Session } from "./session.ts";
import { clientConfig, type ConnectionSettings } from "./settings.ts";
import type { Sql } from "./sql.ts";
import type { Stats } from "./stats.ts";

/**
 * A connection outside the pool, for what must not wait behind other work or must keep its session: beats,
 * advisory locks, notifications. It does not reconnect by itself: whoever owns it knows how fast and what then.
 */
export interface DedicatedConnection extends Sql {
  /** The server process behind it, as `pg_stat_activity` names it; null behind some poolers. */
  readonly backendPid: number | null;
  /** Calls `fn` once when the connection breaks; not after `close`. */
  onLost(fn: (cause: unknown) => void): void;
  onNotification(fn: (channel: string, payload: string) => void): void;
  /** Safe to call more than once. */
  close(): Promise<void>;
}

export interface DedicatedOptions {
  /** Session-wide; 0 for none. */
  statementTimeoutMs: number;
  lockTimeoutMs: number;
  /** Give up on an answer after this long and treat the connection as broken; 0 for never. */
  answerWaitMs: number;
}

export async function openDedicated(
  settings: ConnectionSettings,
  label: string,
  options: DedicatedOptions,
  stats: Stats,
  identity: IdentityWatch,
): Promise<DedicatedConnection> {
  const client = new Client(clientConfig(settings, options.answerWaitMs));
  const session = new Session(client, stats);
  const sql = session.sql(label);
  try {
    await client.connect();
    await sql.exec(
      `set statement_timeout = ${options.statementTimeoutMs}; set lock_timeout = ${options.lockTimeoutMs}`,
    );
    identity.see(await readIdentity(sql));
  } catch (error) {
    await endClient(client);
    throw error instanceof DatabaseUnavailable ? error : DatabaseUnavailable.connecting(error);
  }
  let closed = false;
  return {
    ...sql,
    backendPid: (client as Client & { processID: number | null }).processID,
    onLost: (fn) => session.onLost((cause) => void (closed || fn(cause))),
    onNotification: (fn) =>
      void client.on("notification", ({ channel, payload }) => fn(channel, payload ?? "")),
    async close() {
      if (closed) return;
      closed = true;
      await endClient(client);
    },
  };
}

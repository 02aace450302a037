import type { Clock } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import type { Database } from "../../postgres/database.ts";
import type { DedicatedConnection } from "../../postgres/dedicated.ts";
import type { Sql } from "../../postgres/sql.ts";
import { seeLock, tryLock } from "../../store/workers.ts";
import { reconnectMs, type LivenessEvent } from "./state.ts";
import type { LivenessOptions } from "./options.ts";

/** Looks before a lock is believed in: a pooler that hands out backends per transaction shows another one soon. */
const proofsMin = 3;

interface LockDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly options: LivenessOptions;
  readonly emit: (event: LivenessEvent) => void;
}

/**
 * Holds the session lock that dies with this process, on a connection that does nothing else, and makes both anew when
 * they are lost. Where the connection turns out not to keep its session, no lock is registered: the lease alone decides.
 */
export async function holdLock(deps: LockDeps, signal: AbortSignal): Promise<void> {
  const { database, clock, logger, options, emit } = deps;
  let failures = 0;
  while (!signal.aborted) {
    let connection: DedicatedConnection | undefined;
    try {
      connection = await database.connection("worker.lock", { statementTimeoutMs: 5_000 });
      const lost = new AbortController();
      connection.onLost(() => lost.abort());
      const key = lockKeyOf(deps.random);
      if (!(await prove(connection, key))) {
        logger.warn(
          {},
          "the database connection does not keep its session: liveness goes by the lease alone",
        );
        await clock.sleep(options.leaseMs, "liveness.lock_retry", signal);
        continue;
      }
      failures = 0;
      emit({ type: "lock_proved", key });
      await watch(deps, connection, key, lost.signal, signal);
    } catch (error) {
      if (!signal.aborted) logger.debug({ err: error }, "the liveness lock's connection failed");
    } finally {
      if (!signal.aborted) emit({ type: "lock_lost" });
      await connection?.close();
    }
    failures += 1;
    await clock.sleep(reconnectMs(failures, options), "liveness.lock_reconnect", signal);
  }
}

async function prove(sql: Sql, key: number): Promise<boolean> {
  if (!(await tryLock(sql, key))) return false;
  const first = await seeLock(sql, key);
  let proved = first.held;
  for (let i = 1; i < proofsMin && proved; i++) {
    // Each look is a transaction of its own: that is the point of it.
    const look = await seeLock(sql, key);
    proved = look.held && look.pid === first.pid;
  }
  return proved;
}

/** Returns when the lock or its connection is lost, or on stop. */
async function watch(
  { clock, options }: LockDeps,
  connection: DedicatedConnection,
  key: number,
  lost: AbortSignal,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const either = new AbortController();
    const stop = (): void => either.abort();
    signal.addEventListener("abort", stop, { once: true });
    lost.addEventListener("abort", stop, { once: true });
    if (signal.aborted || lost.aborted) stop();
    await clock.sleep(options.lockCheckMs, "liveness.lock_check", either.signal);
    signal.removeEventListener("abort", stop);
    lost.removeEventListener("abort", stop);
    if (signal.aborted || lost.aborted) return;
    if (!(await seeLock(connection, key)).held) return;
  }
}

/** 48 random bits: exact as a JavaScript number, and far from the keys that migrations use. */
function lockKeyOf(random: Random): number {
  return random.bytes(6).reduce((key, byte) => key * 256 + byte, 0);
}

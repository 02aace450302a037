import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import { Scope } from "../lib/scope.ts";
import type { Database } from "../postgres/database.ts";
import type { WriteTx } from "../postgres/sql.ts";
import { sweepFiles } from "../store/files.ts";
import { sweepIdempotent } from "../store/idempotency.ts";
import { sweepSlots } from "../store/slots.ts";
import { sweepTombstones } from "../store/sweeps.ts";

/** Every replica looks about this often; rows that one has locked the others skip. */
const everyMs = 10 * 60_000;

/** One transaction stays short; what is left goes with the next. */
const rowsMax = 1_000;
/** A file of the largest size is about as much work as 5,000 rows. */
const filesMax = 10;

interface Sweep {
  readonly rowsMax: number;
  readonly sweep: (tx: WriteTx, rowsMax: number) => Promise<number>;
}

const sweeps: Record<string, Sweep> = {
  "sweep.idempotency_keys": { rowsMax, sweep: sweepIdempotent },
  "sweep.tombstones": { rowsMax, sweep: sweepTombstones },
  "sweep.slots": { rowsMax, sweep: sweepSlots },
  "sweep.files": { rowsMax: filesMax, sweep: sweepFiles },
};

export interface HousekeepingDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Removes what has had its time: idempotency keys, tombstones, tickets, stray slots. Nothing depends on when. */
export class Housekeeping {
  readonly #deps: HousekeepingDeps;
  readonly #scope: Scope;

  constructor(deps: HousekeepingDeps) {
    this.#deps = deps;
    this.#scope = new Scope((err, label) => deps.logger.error({ err, label }, "housekeeping"));
  }

  start(): void {
    const { clock, random } = this.#deps;
    void this.#scope.run("housekeeping", async (signal) => {
      while (!signal.aborted) {
        // Jittered: replicas that were started together do not sweep together.
        // oxlint-disable-next-line no-await-in-loop
        await clock.sleep(everyMs * (0.5 + random.float()), "housekeeping", signal);
        // oxlint-disable-next-line no-await-in-loop
        if (!signal.aborted) await this.sweep(signal);
      }
    });
  }

  async stop(): Promise<void> {
    await this.#scope.stop();
  }

  /** One pass over everything, now. */
  async sweep(signal?: AbortSignal): Promise<void> {
    const { database, logger } = this.#deps;
    for (const [operation, { rowsMax: max, sweep }] of Object.entries(sweeps)) {
      try {
        let removed = max;
        while (removed === max && signal?.aborted !== true) {
          // oxlint-disable-next-line no-await-in-loop
          removed = await database.write(async (tx) => await sweep(tx, max), {
            operation,
            lane: "upkeep",
          });
        }
      } catch (err) {
        logger.warn({ err, operation }, "a sweep failed; the next one goes on");
      }
    }
  }
}

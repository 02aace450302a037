import DataLoader from "dataloader";
import type { Database } from "../postgres/database.ts";
import { isTransient } from "../postgres/errors.ts";
import { readSyncs, type SyncRequest, type SyncResult } from "../store/sync.ts";
import type { NextTurn } from "./turn.ts";

/**
 * Chats of one snapshot. More would keep the first of them waiting for the last, and the other connections idle; what is
 * saved beyond this is little.
 */
const chatsMax = 16;

interface SyncReadsOptions {
  readonly database: Database;
  readonly turn: NextTurn;
  readonly controlReadMs: number;
}

/**
 * The snapshot reads of a replica's feeds. Those that are asked for in one turn of the loop share a transaction, so that
 * the feeds of a replica that was just come back to are not a transaction each. Nothing is kept.
 */
export class SyncReads {
  readonly #loader: DataLoader<SyncRequest, SyncResult | null>;

  constructor({ database, turn, controlReadMs }: SyncReadsOptions) {
    const options = { statementTimeoutMs: controlReadMs };
    const read = async (requests: readonly SyncRequest[]): Promise<(SyncResult | null)[]> =>
      await readSyncs(database, requests, options);
    const batch = async (requests: readonly SyncRequest[]): Promise<Outcome[]> => {
      try {
        return await read(requests);
      } catch (error) {
        if (requests.length === 1 || isTransient(error)) throw error;
        // What is wrong with one chat is none of the others' business.
        return await Promise.all(requests.map(async (one) => await outcomeOf(read([one]))));
      }
    };
    this.#loader = new DataLoader(batch, {
      cache: false,
      maxBatchSize: chatsMax,
      batchScheduleFn: turn,
    });
  }

  /** Null: there is no such chat (any more). @throws what the database said. */
  async read(request: SyncRequest): Promise<SyncResult | null> {
    return await this.#loader.load(request);
  }
}

type Outcome = SyncResult | null | Error;

async function outcomeOf(read: Promise<(SyncResult | null)[]>): Promise<Outcome> {
  try {
    return (await read)[0] ?? null;
  } catch (error) {
    return error as Error;
  }
}

import type { Json } from "@parley/protocol";
import { IdempotencyKeyReused } from "../../domain/errors.ts";
import type { RequestKey } from "../../machine/idempotency.ts";
import type { Database } from "../../postgres/database.ts";
import type { WriteTx } from "../../postgres/sql.ts";
import { findIdempotent, insertIdempotent } from "../../store/idempotency.ts";
import type { Answer } from "./once.ts";

/** Another transaction has just used the key. */
class Raced extends Error {}

/**
 * One transaction that touches no chat, at most once per key. `replayed`: an earlier, identical request was answered
 * like this, and nothing was done.
 *
 * @throws IdempotencyKeyReused, and what `fn` throws
 */
export async function changeOnce<T>(
  database: Database,
  key: RequestKey | null,
  operation: string,
  fn: (tx: WriteTx) => Promise<Answer<T>>,
): Promise<{ readonly answer: Answer<T>; readonly replayed: boolean }> {
  const attempt = async () =>
    await database.write(
      async (tx) => {
        if (key === null) return { answer: await fn(tx), replayed: false };
        const { principal_id, scope, request_hash } = key;
        const found = await findIdempotent(tx, principal_id, scope, key.key);
        if (found !== undefined) {
          if (!Buffer.from(found.request_hash).equals(request_hash)) {
            throw new IdempotencyKeyReused(key.key);
          }
          return { answer: found.response as unknown as Answer<T>, replayed: true };
        }
        const answer = await fn(tx);
        const stored = { request_hash, response: answer as unknown as Json };
        if (!(await insertIdempotent(tx, principal_id, scope, key.key, stored))) throw new Raced();
        return { answer, replayed: false };
      },
      { operation },
    );
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof Raced)) throw error;
    return await attempt();
  }
}

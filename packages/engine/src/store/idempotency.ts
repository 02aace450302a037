import type { Json } from "@parley/protocol";
import { idempotencyKeptMs } from "../domain/limits.ts";
import type { ReadTx, Sql, WriteTx } from "../postgres/sql.ts";

export interface IdempotentAnswer {
  /** sha-256 of the request that the key was first used for. */
  readonly request_hash: Uint8Array;
  readonly response: Json;
}

export async function findIdempotent(
  tx: Sql | ReadTx,
  principalId: string,
  scope: string,
  key: string,
): Promise<IdempotentAnswer | undefined> {
  const [row] = await tx.query<IdempotentAnswer>({
    name: "idempotency_keys.find",
    text: `select request_hash, response from parley.idempotency_keys
           where principal_id = $1 and scope = $2 and key = $3`,
    values: [principalId, scope, key],
  });
  return row;
}

/** Waits for a transaction that is using the same key; false when that one has committed. */
export async function insertIdempotent(
  tx: WriteTx,
  principalId: string,
  scope: string,
  key: string,
  answer: IdempotentAnswer,
): Promise<boolean> {
  const rows = await tx.query({
    name: "idempotency_keys.insert",
    text: `insert into parley.idempotency_keys (principal_id, scope, key, request_hash, response)
           values ($1, $2, $3, $4, $5) on conflict do nothing returning key`,
    values: [
      principalId,
      scope,
      key,
      Buffer.from(answer.request_hash),
      JSON.stringify(answer.response),
    ],
  });
  return rows.length === 1;
}

/** The name of the constraint that `insertIdempotentLast` fails with where the key is taken. */
export const idempotencyKeyTaken = "idempotency_keys_pkey";

/** As `insertIdempotent`, as the last statement of the transaction, which fails where another has used the key. */
export function insertIdempotentLast(
  tx: WriteTx,
  principalId: string,
  scope: string,
  key: string,
  answer: IdempotentAnswer,
): void {
  const sent = tx.queryLast({
    name: "idempotency_keys.insert_last",
    text: `insert into parley.idempotency_keys (principal_id, scope, key, request_hash, response)
           values ($1, $2, $3, $4, $5)`,
    values: [
      principalId,
      scope,
      key,
      Buffer.from(answer.request_hash),
      JSON.stringify(answer.response),
    ],
  });
  // The transaction fails with it.
  sent.catch(() => {});
}

/** Removes what is older than a day, at most `rowsMax` at a time; gives how many. */
export async function sweepIdempotent(tx: WriteTx, rowsMax: number): Promise<number> {
  const rows = await tx.query({
    name: "idempotency_keys.sweep",
    text: `delete from parley.idempotency_keys where ctid = any (array (
             select ctid from parley.idempotency_keys
             where created_at < parley.now() - make_interval(secs => $1::double precision / 1000)
             order by created_at limit $2 for update skip locked)) returning key`,
    values: [idempotencyKeptMs, rowsMax],
  });
  return rows.length;
}

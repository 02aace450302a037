import type { Sql, WriteTx } from "../postgres/sql.ts";

/** A row of `parley.api_tokens`. The token itself is not in it, only its sha-256. */
export interface TokenRow {
  readonly id: string;
  readonly principal_id: string;
  readonly name: string;
  readonly created_at: Date;
  readonly last_used_at: Date | null;
  readonly expires_at: Date | null;
  readonly revoked_at: Date | null;
}

/** A token that is good now, and whose it is. */
export interface LiveToken {
  readonly token_id: string;
  readonly principal_id: string;
  readonly principal_name: string;
  readonly is_admin: boolean;
  /** When it ends by database time, as milliseconds from now; null where it does not. */
  readonly expires_in_ms: number | null;
  /** Its last use was not noted for a while. */
  readonly use_to_note: boolean;
}

type Reader = Pick<Sql, "query">;

const columns = `id, principal_id, name, created_at, last_used_at, expires_at, revoked_at`;

/** How exact `last_used_at` is: a write for each request would cost more than it tells. */
const useNotedEverySeconds = 600;

/** Whose token this is: one query for a request that brings it. Undefined: unknown, revoked or expired. */
export async function findLiveToken(
  sql: Reader,
  tokenHash: Uint8Array,
): Promise<LiveToken | undefined> {
  const [row] = await sql.query<LiveToken>({
    name: "api_tokens.find_live",
    text: `select t.id as token_id, p.id as principal_id, p.name as principal_name, p.is_admin,
             (extract(epoch from t.expires_at - parley.now()) * 1000)::double precision as expires_in_ms,
             coalesce(t.last_used_at < parley.now() - make_interval(secs => $2::integer), true) as use_to_note
           from parley.api_tokens t join parley.principals p on p.id = t.principal_id
           where t.token_hash = $1 and t.revoked_at is null
             and (t.expires_at is null or t.expires_at > parley.now())`,
    values: [Buffer.from(tokenHash), useNotedEverySeconds],
  });
  return row;
}

export async function noteTokenUse(tx: WriteTx, tokenId: string): Promise<void> {
  await tx.query({
    name: "api_tokens.note_use",
    text: `update parley.api_tokens set last_used_at = parley.now() where id = $1`,
    values: [tokenId],
  });
}

export interface NewToken {
  readonly id: string;
  readonly principal_id: string;
  readonly name: string;
  readonly token_hash: Uint8Array;
  /** Null: it lasts until it is revoked. */
  readonly expires_in_seconds: number | null;
}

export async function insertToken(tx: WriteTx, token: NewToken): Promise<TokenRow> {
  const [row] = await tx.query<TokenRow>({
    name: "api_tokens.insert",
    text: `insert into parley.api_tokens (id, principal_id, name, token_hash, expires_at)
           values ($1, $2, $3, $4, parley.now() + make_interval(secs => $5::double precision))
           returning ${columns}`,
    values: [
      token.id,
      token.principal_id,
      token.name,
      Buffer.from(token.token_hash),
      token.expires_in_seconds,
    ],
  });
  return row as TokenRow;
}

/** By its hash, whether it is good or not. */
export async function findToken(sql: Reader, tokenHash: Uint8Array): Promise<TokenRow | undefined> {
  const [row] = await sql.query<TokenRow>({
    name: "api_tokens.find",
    text: `select ${columns} from parley.api_tokens where token_hash = $1`,
    values: [Buffer.from(tokenHash)],
  });
  return row;
}

/** The tokens of a principal that are not revoked, the newest first. */
export async function listTokens(sql: Reader, principalId: string): Promise<TokenRow[]> {
  return await sql.query<TokenRow>({
    name: "api_tokens.list",
    text: `select ${columns} from parley.api_tokens
           where principal_id = $1 and revoked_at is null order by created_at desc, id desc`,
    values: [principalId],
  });
}

/** False where the principal has no such token, or it is revoked already. */
export async function revokeToken(
  tx: WriteTx,
  principalId: string,
  tokenId: string,
): Promise<boolean> {
  const rows = await tx.query({
    name: "api_tokens.revoke",
    text: `update parley.api_tokens set revoked_at = parley.now()
           where id = $1 and principal_id = $2 and revoked_at is null returning id`,
    values: [tokenId, principalId],
  });
  return rows.length > 0;
}

/** Makes a revoked or expired token good again, without an end. Only for the one that the configuration names. */
export async function reinstateToken(tx: WriteTx, tokenId: string): Promise<void> {
  await tx.query({
    name: "api_tokens.reinstate",
    text: `update parley.api_tokens set revoked_at = null, expires_at = null where id = $1`,
    values: [tokenId],
  });
}

/** Which of these tokens are good no more: what open streams are re-checked by, one query for all of a replica. */
export async function findDeadTokens(sql: Reader, ids: readonly string[]): Promise<string[]> {
  const rows = await sql.query<{ id: string }>({
    name: "api_tokens.find_dead",
    text: `select asked.id from unnest($1::uuid[]) as asked (id)
           left join parley.api_tokens t on t.id = asked.id
           where t.id is null or t.revoked_at is not null or t.expires_at <= parley.now()`,
    values: [ids],
  });
  return rows.map((row) => row.id);
}

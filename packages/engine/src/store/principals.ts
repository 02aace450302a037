import type { Sql, WriteTx } from "../postgres/sql.ts";

/** Who may ask: a row of `parley.principals`. */
export interface PrincipalRow {
  readonly id: string;
  readonly name: string;
  readonly is_admin: boolean;
  readonly created_at: Date;
}

type Reader = Pick<Sql, "query">;

/** Names are not unique in the database: `lockPrincipals` is what keeps two processes from making the same one. */
export async function findPrincipalByName(
  sql: Reader,
  name: string,
): Promise<PrincipalRow | undefined> {
  const [row] = await sql.query<PrincipalRow>({
    name: "principals.find_by_name",
    text: `select * from parley.principals where name = $1 order by created_at, id limit 1`,
    values: [name],
  });
  return row;
}

export async function listPrincipals(sql: Reader): Promise<PrincipalRow[]> {
  return await sql.query<PrincipalRow>({
    name: "principals.list",
    text: `select * from parley.principals order by created_at, id`,
  });
}

export async function insertPrincipal(
  tx: WriteTx,
  principal: Pick<PrincipalRow, "id" | "name" | "is_admin">,
): Promise<PrincipalRow> {
  const [row] = await tx.query<PrincipalRow>({
    name: "principals.insert",
    text: `insert into parley.principals (id, name, is_admin) values ($1, $2, $3) returning *`,
    values: [principal.id, principal.name, principal.is_admin],
  });
  return row as PrincipalRow;
}

/** Held until the transaction ends: whoever looks for a principal and then makes it does so alone. */
export async function lockPrincipals(tx: WriteTx): Promise<void> {
  await tx.query({
    name: "principals.lock",
    text: `select pg_advisory_xact_lock(hashtextextended('parley.principals', 0))`,
  });
}

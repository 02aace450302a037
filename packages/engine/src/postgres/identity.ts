import type { Sql } from "./sql.ts";

/** Which database this is: a restored copy or a promoted standby differs in one of the two. */
export interface DatabaseIdentity {
  systemIdentifier: string;
  timeline: number;
}

export interface FoundIdentity extends DatabaseIdentity {
  /** It may be promoted at any moment, and be another one from then on, under connections that stay. */
  standby: boolean;
}

/**
 * The timeline comes from the write position where there is one: the control file keeps the old timeline until
 * the first checkpoint after a promotion.
 */
export async function readIdentity(sql: Sql): Promise<FoundIdentity> {
  const [row] = await sql.query<FoundIdentity>({
    name: "database_identity",
    text: `
      select (select system_identifier::text from pg_control_system()) as "systemIdentifier",
        case when pg_is_in_recovery()
          then (select timeline_id from pg_control_checkpoint())
          else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
        end as "timeline",
        pg_is_in_recovery() as "standby"`,
  });
  if (!row) throw new Error("the database did not name itself");
  return row;
}

export function sameIdentity(a: DatabaseIdentity, b: DatabaseIdentity): boolean {
  return a.systemIdentifier === b.systemIdentifier && a.timeline === b.timeline;
}

/** Remembers what the last connection found, and tells when a new one finds something else. */
export class IdentityWatch {
  #known: DatabaseIdentity | undefined;
  readonly #listeners = new Set<(before: DatabaseIdentity, after: DatabaseIdentity) => void>();

  get known(): DatabaseIdentity | undefined {
    return this.#known;
  }

  see(found: DatabaseIdentity): void {
    const before = this.#known;
    this.#known = found;
    if (!before || sameIdentity(before, found)) return;
    for (const listener of this.#listeners) listener(before, found);
  }

  onChange(fn: (before: DatabaseIdentity, after: DatabaseIdentity) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }
}

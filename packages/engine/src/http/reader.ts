import type { Database } from "../postgres/database.ts";
import type { Sql } from "../postgres/sql.ts";

/** Single reading statements, each in one round trip of its own, counted under `operation`. */
export function reader(database: Database, operation: string): Pick<Sql, "query"> {
  return {
    query: async <R>(statement: Parameters<Sql["query"]>[0]) =>
      await database.one<R>(statement, { operation }),
  };
}

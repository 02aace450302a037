import type { WriteTx } from "../postgres/sql.ts";

/** What is stored under the key, or `value` from now on: whoever comes first decides for all replicas. */
export async function settingOrInsert(tx: WriteTx, key: string, value: string): Promise<string> {
  const [row] = await tx.query<{ value: string }>({
    name: "settings.get_or_insert",
    text: `with made as (
             insert into parley.settings (key, value) values ($1, to_jsonb($2::text))
             on conflict do nothing returning value)
           select value from made union all select value from parley.settings where key = $1 limit 1`,
    values: [key, value],
  });
  if (row !== undefined) return row.value;
  // Another inserted it after this statement's snapshot: the next statement sees it.
  return await settingOrInsert(tx, key, value);
}

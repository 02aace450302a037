import type { ChatRow } from "../domain/rows.ts";
import type { WriteTx } from "../postgres/sql.ts";

/** A tool server that cannot be used, as a worker finds it. */
export interface Outage {
  readonly server: string;
  readonly problem: string;
}

/** What people are told of the chat's tool servers from now on. One that was told of already stays as it was. */
export async function writeOutages(
  tx: WriteTx,
  chatId: string,
  outages: readonly Outage[],
): Promise<ChatRow> {
  const [row] = await tx.query<ChatRow>({
    name: "chats.write_outages",
    text: `update parley.chats c
           set notices = coalesce((
             select jsonb_agg(coalesce(
               (select told from jsonb_array_elements(c.notices) as t (told)
                where told ->> 'kind' = 'tool_server_down' and told ->> 'server' = n.value ->> 'server' limit 1),
               jsonb_build_object('kind', 'tool_server_down', 'server', n.value ->> 'server',
                 'problem', n.value ->> 'problem', 'since', to_char(parley.now() at time zone 'UTC',
                 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))) order by n.place)
             from jsonb_array_elements($2::jsonb) with ordinality as n (value, place)), '[]')
           where id = $1 returning c.*`,
    values: [chatId, JSON.stringify(outages)],
  });
  return row as ChatRow;
}

import type { MessageRow } from "../domain/rows.ts";
import type { ReadTx } from "../postgres/sql.ts";

/** A message of an earlier version; `version` is the id of the message that an edit replaced. */
export type VersionRow = MessageRow & { readonly version: number };

/**
 * What edits have taken from the place of a message, the newest version first, each in order: the message that
 * was replaced and what followed it then, without what had been replaced before within it. At most `versionsMax`
 * versions, and `limit` messages of each.
 */
export async function readVersions(
  tx: ReadTx,
  chatId: string,
  messageId: number,
  { versionsMax, limit }: { versionsMax: number; limit: number },
): Promise<VersionRow[]> {
  return await tx.query<VersionRow>({
    name: "chat_messages.versions",
    text: `with recursive line as (
             select m.replaces as version, m.id as until, 1 as n
             from parley.chat_messages m where m.chat_id = $1 and m.id = $2 and m.replaces is not null
             union all
             select m.replaces, m.id, n + 1
             from line join parley.chat_messages m on m.chat_id = $1 and m.id = line.version
             where m.replaces is not null and n < $3
           )
           select line.version, m.*
           from line cross join lateral (
             select id, chat_id, revision, role, visibility, parts, model, reasoning_effort, usage, finish_reason,
               episode, created_by, client_id, is_boundary, replaces, response_format, model_settings, deleted, created_at
             from parley.chat_messages m
             where m.chat_id = $1 and m.id >= line.version and m.id < line.until and m.deleted
               and m.visibility <> 'model'
               and not exists (
                 select from parley.chat_messages newer
                 where newer.chat_id = $1 and newer.id > line.version and newer.id < line.until
                   and m.id >= newer.replaces and m.id < newer.id
               )
             order by m.id limit $4
           ) m
           order by line.version desc, m.id`,
    values: [chatId, messageId, versionsMax, limit],
  });
}

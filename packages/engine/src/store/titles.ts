import type { ReadTx, WriteTx } from "../postgres/sql.ts";

/** Whoever has said that he makes a title and has not been heard of for so long makes none any more. */
const claimSeconds = 60;

/**
 * One server says that it makes the chat's title: true for the one that does. Each turn of a chat without a title may be
 * tried once; a person's own wish (`anew`) as often as he likes, one at a time.
 */
export async function claimTitle(
  tx: WriteTx,
  chatId: string,
  turnMessageId: number,
  anew: boolean,
): Promise<boolean> {
  const rows = await tx.query({
    name: "chat_titles.claim",
    text: `insert into parley.chat_titles as t (chat_id, turn_message_id)
           select id, $2 from parley.chats where id = $1 and ($3 or title is null)
           on conflict (chat_id) do update set turn_message_id = excluded.turn_message_id, claimed_at = parley.now()
             where (not $3 and t.turn_message_id < excluded.turn_message_id)
               or t.claimed_at < parley.now() - interval '${claimSeconds} seconds'
           returning chat_id`,
    values: [chatId, turnMessageId, anew],
  });
  return rows.length === 1;
}

/** The title is there, or never will be. */
export async function releaseTitle(tx: WriteTx, chatId: string): Promise<void> {
  await tx.query({
    name: "chat_titles.release",
    text: `delete from parley.chat_titles where chat_id = $1`,
    values: [chatId],
  });
}

/** How a chat begins: its first message of a user, and what was first said to it. Empty where there is nothing. */
export interface Opening {
  readonly asked: string;
  readonly replied: string;
}

/** Cut in the database: messages may be long, and a title needs little of them. */
export async function readOpening(tx: ReadTx, chatId: string): Promise<Opening> {
  const first = (role: string): string => `coalesce((
    select left(string_agg(part ->> 'text', E'\\n' order by n), 4000)
    from (select parts from parley.chat_messages
          where chat_id = $1 and role = '${role}' and visibility = 'both' and not deleted
            and parts @? '$[*] ? (@.type == "text")'
          order by id limit 1) m,
      jsonb_array_elements(m.parts) with ordinality as p (part, n)
    where part ->> 'type' = 'text'), '')`;
  const [row] = await tx.query<Opening>({
    name: "chat_titles.opening",
    text: `select ${first("user")} as asked, ${first("assistant")} as replied`,
    values: [chatId],
  });
  return row ?? { asked: "", replied: "" };
}

import type { Status } from "@parley/protocol";
import type { ChatRow } from "../domain/rows.ts";
import type { Sql } from "../postgres/sql.ts";

/** The place of a chat in the list, which is ordered by last message, newest first. */
export interface ListPosition {
  /** Microseconds since 1970: the database's time is finer than a `Date`. */
  readonly last_message_us: number;
  readonly id: string;
}

export interface ListRequest {
  readonly ownerId: string;
  /** Whose sub-agents are wanted; null: the chats that are nobody's. */
  readonly parentId: string | null;
  readonly limit: number;
  readonly after: ListPosition | null;
  /** Words that must all stand in the title or in what the user said. */
  readonly words: readonly string[];
  /** Labels with their values, and labels with any value. */
  readonly labels: Readonly<Record<string, string>>;
  readonly labelKeys: readonly string[];
  readonly archived: boolean | null;
  readonly status: Status | null;
  readonly onlyPinned: boolean;
}

export type ListedChat = ChatRow & { readonly last_message_us: number };

/** One page of a principal's chats, in one query whatever is asked for. */
export async function listChats(
  sql: Pick<Sql, "query">,
  request: ListRequest,
): Promise<ListedChat[]> {
  const { after } = request;
  return await sql.query<ListedChat>({
    // Several texts, because the common case must not pay for the search with its plan.
    name: `chats.${request.parentId === null ? "" : "children_"}${request.onlyPinned ? "pinned_" : ""}${request.words.length > 0 ? "search" : "list"}`,
    text: `select c.*, (extract(epoch from c.last_message_at) * 1000000)::bigint as last_message_us
           from parley.chats c
           where c.owner_id = $1
             and c.parent_chat_id ${request.parentId === null ? "is not distinct from" : "="} $9::uuid
             and ($3::bigint is null or (c.last_message_at, c.id) <
               (timestamptz 'epoch' + $3::bigint * interval '1 microsecond', $4::uuid))
             and c.labels @> $5::jsonb and c.labels ?& $6::text[]
             and ($7::boolean is null or c.archived = $7) and ($8::text is null or c.status = $8)
             ${request.onlyPinned ? "and c.pinned" : ""}
             ${request.words.length > 0 ? searchText : ""}
           order by c.last_message_at desc, c.id desc limit $2`,
    values: [
      request.ownerId,
      request.limit,
      after?.last_message_us ?? null,
      after?.id ?? null,
      JSON.stringify(request.labels),
      request.labelKeys,
      request.archived,
      request.status,
      request.parentId,
      ...(request.words.length > 0 ? [request.words.map(patternOf)] : []),
    ],
  });
}

const searchText = `and not exists (
  select from unnest($10::text[]) as words (pattern)
  where coalesce(c.title not ilike pattern, true) and not exists (
    select from parley.chat_messages m, jsonb_array_elements(m.parts) as part
    where m.chat_id = c.id and m.role = 'user' and m.visibility <> 'model' and not m.deleted
      and part ->> 'type' = 'text' and part ->> 'text' ilike pattern))`;

/** The word anywhere, taken literally. */
function patternOf(word: string): string {
  return `%${word.replace(/[\\%_]/g, "\\$&")}%`;
}

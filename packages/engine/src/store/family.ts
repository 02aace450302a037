import type { ModelSettings } from "@parley/protocol";
import type { AgentRow } from "../domain/agent.ts";
import type { ChatRow } from "../domain/rows.ts";
import type { Sql, WriteTx } from "../postgres/sql.ts";

type Reader = Pick<Sql, "query">;

/** Ids and depths of everything below the chat $1, which is not among them itself. */
const below = `with recursive above as (
    select id, root_chat_id, turn_message_id from parley.chats where id = $1
  ), below (id, depth) as (
    select c.id, 1 from parley.chats c, above where c.root_chat_id = above.root_chat_id and c.parent_chat_id = above.id
    union
    select c.id, below.depth + 1 from parley.chats c join below on c.parent_chat_id = below.id, above
    where c.root_chat_id = above.root_chat_id
  )`;

/** Locks what runs below a chat and is not being stopped for good, by id. */
export async function lockBusyDescendants(tx: WriteTx, chatId: string): Promise<{ id: string }[]> {
  return await tx.query<{ id: string }>({
    name: "family.lock_busy",
    text: `${below}
           select c.id from parley.chats c
           where c.id in (select id from below) and not c.archived
             and (c.status in ('running', 'requires_action') or (c.status = 'interrupting' and not c.hold))
           order by c.id for update`,
    values: [chatId],
  });
}

/** Everything below a chat, in the order in which it was made, with what each said last. */
export async function readDescendants(sql: Reader, chatId: string): Promise<AgentRow[]> {
  return await sql.query<AgentRow>({
    name: "family.descendants",
    text: `${below}
           select c.id, c.parent_chat_id, c.title, c.model, c.status, c.last_error, below.depth,
             c.status in ('running', 'interrupting', 'requires_action') or coalesce(
               asked.created_at >= (select m.created_at from parley.chat_messages m, above
                                    where m.id = above.turn_message_id and m.chat_id = above.id), false) as current,
             reply.parts as reply_parts, reply.finish_reason as reply_finish_reason
           from below join parley.chats c on c.id = below.id
             left join parley.chat_messages asked on asked.id = c.turn_message_id and asked.chat_id = c.id
             left join lateral (
               select m.parts, m.finish_reason from parley.chat_messages m
               where m.chat_id = c.id and m.id > c.turn_message_id and m.role = 'assistant'
                 and m.visibility = 'both' and not m.deleted
               order by m.id desc limit 1) reply on true
           order by c.created_at, c.id`,
    values: [chatId],
  });
}

export interface Watched {
  /** A message that is meant for the running turn of the chat that waits. */
  readonly steered: boolean;
  /** Those of the chats that still exist. */
  readonly chats: readonly { readonly id: string; readonly status: ChatRow["status"] }[];
}

/** What a wait is decided by. */
export async function readWatched(
  sql: Reader,
  chatId: string,
  ids: readonly string[],
): Promise<Watched> {
  const [row] = await sql.query<Watched>({
    name: "family.watched",
    text: `select exists (select from parley.chat_queue where chat_id = $1 and manner = 'steer') as steered,
             coalesce((select jsonb_agg(jsonb_build_object('id', id, 'status', status))
                       from parley.chats where id = any ($2::uuid[])), '[]') as chats`,
    values: [chatId, ids],
  });
  return row as Watched;
}

/** Whether the call may still have effects: nobody has ended it, or the turn that it belongs to. */
export async function isCallOpen(
  tx: WriteTx,
  chatId: string,
  executionId: string,
): Promise<boolean> {
  const [row] = await tx.query<{ open: boolean }>({
    name: "family.call_open",
    text: `select exists (select from parley.tool_executions e join parley.chats c on c.id = e.chat_id
             where e.id = $2 and e.chat_id = $1 and e.state in ('intent', 'approved', 'started')
               and c.status = 'running') as open`,
    values: [chatId, executionId],
  });
  return row?.open ?? false;
}

export interface Standing {
  /** 0: a root. */
  readonly depth: number;
  /** Nobody has switched sub-agents off, for the chat or above it. */
  readonly allowed: boolean;
  /** Children whose turn is not over. */
  readonly busy: number;
  /** What the running turn is answered with. */
  readonly model: string;
  readonly reasoning_effort: string | null;
  readonly model_settings: ModelSettings | null;
  /** Of the message that began the running turn. */
  readonly message_settings: ModelSettings | null;
  readonly fallback_models: readonly string[] | null;
  /** A chat of the given id was there and was deleted. */
  readonly deleted: boolean;
}

/** What a chat may start, and with what. */
export async function readStanding(
  tx: WriteTx,
  chatId: string,
  childId: string,
): Promise<Standing> {
  const [row] = await tx.query<Standing>({
    name: "family.standing",
    text: `with recursive line (id, parent_chat_id, sub_agents) as (
             select id, parent_chat_id, sub_agents from parley.chats where id = $1
             union
             select c.id, c.parent_chat_id, c.sub_agents from parley.chats c join line on c.id = line.parent_chat_id
           )
           select (select count(*) - 1 from line)::integer as depth,
             (select bool_and(sub_agents) from line) as allowed,
             (select count(*) from parley.chats b where b.root_chat_id = c.root_chat_id and b.parent_chat_id = c.id
               and b.status in ('running', 'interrupting', 'requires_action'))::integer as busy,
             coalesce(m.model, c.model) as model, coalesce(m.reasoning_effort, c.reasoning_effort) as reasoning_effort,
             c.model_settings, m.model_settings as message_settings, c.fallback_models,
             exists (select from parley.chat_tombstones where chat_id = $2) as deleted
           from parley.chats c
             left join parley.chat_messages m on m.id = c.turn_message_id and m.chat_id = c.id
           where c.id = $1`,
    values: [chatId, childId],
  });
  return row as Standing;
}

/** How many chats there are below a chat. */
export async function countDescendants(sql: Reader, chatId: string): Promise<number> {
  const [row] = await sql.query<{ count: number }>({
    name: "family.count",
    text: `${below} select count(*)::integer as count from below`,
    values: [chatId],
  });
  return row?.count ?? 0;
}

import type { Transcript } from "@parley/client";
import type { ListWatcher } from "../actors/list-watcher.ts";
import type { Watcher } from "../actors/watcher.ts";
import type { DatabaseServer } from "../database/server.ts";
import type { Mirror } from "./mirror.ts";
import type { Verdict } from "./verdict.ts";

interface StoredChat {
  readonly chat: {
    readonly id: string;
    readonly status: string;
    readonly archived: boolean;
    readonly title: string | null;
    readonly snapshot_version: number;
    readonly runnable: boolean;
    readonly owned: boolean;
    readonly error: string | null;
  };
  readonly messages: readonly StoredMessage[] | null;
  readonly queue: readonly number[] | null;
}

interface StoredMessage {
  readonly id: number;
  readonly revision: number;
  readonly role: string;
  readonly finish_reason: string | null;
  readonly text: string | null;
}

const everything = `
select c.id, jsonb_build_object(
  'chat', jsonb_build_object('id', c.id, 'status', c.status, 'archived', c.archived, 'title', c.title,
    'snapshot_version', c.snapshot_version, 'runnable', c.runnable_since is not null,
    'owned', c.worker_id is not null, 'error', c.last_error ->> 'kind'),
  'messages', (select jsonb_agg(jsonb_build_object('id', m.id, 'revision', m.revision, 'role', m.role,
      'finish_reason', m.finish_reason,
      'text', (select string_agg(coalesce(p ->> 'text', p ->> 'tool_call_id', ''), '|' order by n)
               from jsonb_array_elements(m.parts) with ordinality as parts (p, n))) order by m.id)
    from parley.chat_messages m where m.chat_id = c.id and not m.deleted and m.visibility <> 'model'),
  'queue', (select jsonb_agg(q.id order by q.rank, q.id) from parley.chat_queue q where q.chat_id = c.id)
)::text as stored
from parley.chats c order by c.id`;

export function readStored(database: DatabaseServer): Map<string, StoredChat> {
  return new Map(
    database
      .peek(everything)
      .map(({ id, stored }) => [id as string, JSON.parse(stored as string) as StoredChat]),
  );
}

/** Chats that somebody still has to work for. */
export function runnableChats(database: DatabaseServer): string[] {
  const sql = `select id, status from parley.chats where runnable_since is not null order by id`;
  return database.peek(sql).map(({ id, status }) => `${id} (${status})`);
}

/** Everybody who looks at a chat sees exactly what the database has. */
export function checkConvergence(
  views: readonly Watcher[],
  stored: ReadonlyMap<string, StoredChat>,
  verdict: Verdict,
): void {
  for (const view of views) {
    const chat = stored.get(view.chatId);
    if (view.ended !== null) {
      verdict.check(
        "convergence",
        chat === undefined,
        () =>
          `${view.name}: the stream of ${view.chatId} ended (${view.ended}), and the chat is there`,
      );
      continue;
    }
    if (chat === undefined) {
      verdict.fail("convergence", `${view.name} still shows ${view.chatId}, which is deleted`);
      continue;
    }
    const difference = differenceOf(view.transcript, chat);
    verdict.check(
      "convergence",
      difference === null,
      () => `${view.name} of ${view.chatId}: ${difference}`,
    );
  }
}

const rootsByOwner = `
select owner_id::text as owner, string_agg(id || ' s' || snapshot_version || ' m' || metadata_version, ', ' order by id) as chats
from parley.chats where parent_chat_id is null group by owner_id`;

/** What the list of each principal is: ids with their versions. */
export function readLists(database: DatabaseServer): Map<string, string> {
  return new Map(
    database.peek(rootsByOwner).map(({ owner, chats }) => [String(owner), chats ?? ""]),
  );
}

/** What somebody's list shows, in the same words. */
export function listOf(list: ListWatcher): string {
  return [...list.chats.values()]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(
      ({ id, snapshot_version, metadata_version }) =>
        `${id} s${snapshot_version} m${metadata_version}`,
    )
    .join(", ");
}

/** Whether nobody has to wait any longer for what there is. */
export function haveConverged(
  views: readonly Watcher[],
  stored: ReadonlyMap<string, StoredChat>,
): boolean {
  return views.every((view) => {
    const chat = stored.get(view.chatId);
    if (view.ended !== null || chat === undefined) return view.ended !== null && chat === undefined;
    return differenceOf(view.transcript, chat) === null;
  });
}

/** The database has exactly the rows that its transactions told of. */
export function checkMirror(
  mirror: Mirror,
  stored: ReadonlyMap<string, StoredChat>,
  verdict: Verdict,
): void {
  for (const [id, { chat }] of stored) {
    const known = mirror.chats.get(id)?.snapshot_version;
    verdict.check(
      "versions",
      known === chat.snapshot_version,
      () => `chat ${id} is at ${chat.snapshot_version}; what was committed came to ${known}`,
    );
    verdict.check("liveness", !chat.owned || chat.runnable, () => `chat ${id} rests, and is owned`);
  }
}

function differenceOf(seen: Transcript, stored: StoredChat): string | null {
  if (!seen.ready) return "never got ready";
  const messages = (stored.messages ?? []).filter(
    ({ id }) => !seen.hasMore || seen.before === undefined || id >= seen.before,
  );
  const ours = seen.messages.map((message) =>
    line({
      ...message,
      text: message.parts
        .map((part) =>
          "text" in part ? part.text : "tool_call_id" in part ? part.tool_call_id : "",
        )
        .join("|"),
    }),
  );
  const theirs = messages.map(line);
  const at = Math.max(ours.length, theirs.length);
  for (let i = 0; i < at; i++) {
    if (ours[i] !== theirs[i]) return `message ${i} is ${ours[i]}, stored is ${theirs[i]}`;
  }
  const queue = seen.queue.map(({ id }) => id).join(",");
  const storedQueue = (stored.queue ?? []).join(",");
  if (queue !== storedQueue) return `the queue is [${queue}], stored is [${storedQueue}]`;
  const { chat } = stored;
  if (seen.status?.status !== chat.status) return `shows ${seen.status?.status}, is ${chat.status}`;
  if (seen.status.archived !== chat.archived) return `archived is ${String(seen.status.archived)}`;
  if (seen.chat?.title !== chat.title) return `the title is ${seen.chat?.title}, not ${chat.title}`;
  if ((seen.error?.kind ?? null) !== chat.error) return `the error is ${seen.error?.kind}`;
  if (seen.preview !== null && !chat.runnable) return "a preview is left";
  return null;
}

function line(message: StoredMessage): string {
  const { id, revision, role, finish_reason, text } = message;
  return `${id} r${revision} ${role} ${finish_reason ?? "-"} ${(text ?? "").slice(0, 200)}`;
}

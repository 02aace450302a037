import { limits, type ListChatsAnswer, type ListChatsQuery } from "@parley/protocol";
import { chatOf } from "../../domain/representation.ts";
import { listChats, type ListedChat, type ListPosition } from "../../store/listing.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { InvalidListCursor } from "../errors.ts";
import { reader } from "../reader.ts";
import { isUuid } from "../uuid.ts";

const pageDefault = 50;

/** Words beyond these would cost and hardly narrow. */
const searchWordsMax = 10;

const archivedFilter = { true: true, false: false, all: null } as const;

/** A page of the caller's chats, or of one's sub-agents, the one with the newest message first. */
export async function listChatsCommand(
  context: HttpContext,
  caller: Caller,
  query: ListChatsQuery,
): Promise<ListChatsAnswer> {
  const limit = query.limit ?? Math.min(pageDefault, limits.pageChatsMax);
  const { values, keys } = labelsOf(query.label);
  const rows = await listChats(reader(context.database, "http.list_chats"), {
    ownerId: caller.principalId,
    parentId: query.parent ?? null,
    limit: limit + 1,
    after: query.cursor === undefined ? null : positionOf(query.cursor),
    words: wordsOf(query.search),
    labels: values,
    labelKeys: keys,
    archived: archivedFilter[query.archived ?? "false"],
    status: query.status ?? null,
    onlyPinned: query.pinned === "true",
  });
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    chats: page.map(chatOf),
    next_cursor: rows.length > limit && last !== undefined ? cursorOf(last) : null,
  };
}

function wordsOf(search: string | undefined): string[] {
  return (search ?? "").split(/\s+/).filter(Boolean).slice(0, searchWordsMax);
}

/** `key:value` asks for that value, `key` for any. */
function labelsOf(label: string | string[] | undefined): {
  values: Record<string, string>;
  keys: string[];
} {
  const values: [string, string][] = [];
  const keys: string[] = [];
  for (const text of [label ?? []].flat()) {
    const at = text.indexOf(":");
    if (at === -1) keys.push(text);
    else values.push([text.slice(0, at), text.slice(at + 1)]);
  }
  return { values: Object.fromEntries(values), keys };
}

function cursorOf(chat: ListedChat): string {
  return Buffer.from(JSON.stringify([chat.last_message_us, chat.id])).toString("base64url");
}

/** @throws InvalidListCursor */
function positionOf(cursor: string): ListPosition {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch {
    throw new InvalidListCursor();
  }
  if (!Array.isArray(value) || value.length !== 2) throw new InvalidListCursor();
  const [last_message_us, id] = value as unknown[];
  const isTime = Number.isSafeInteger(last_message_us) && (last_message_us as number) >= 0;
  if (!isTime || typeof id !== "string" || !isUuid(id)) throw new InvalidListCursor();
  return { last_message_us: last_message_us as number, id };
}

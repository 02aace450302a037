import type { Chat, Labels, Status } from "@parley/protocol";

/** Which chats a list holds. Absent: as `GET /chats` has it, all that are not archived and nobody's sub-agents. */
export interface ChatListFilter {
  /** Words that the title or a user's message must contain. */
  search?: string | undefined;
  /** `key:value`, or `key` for any value; several must all match. */
  label?: string | readonly string[] | undefined;
  archived?: "true" | "false" | "all" | undefined;
  status?: Status | undefined;
  /** Only those that are pinned. */
  pinned?: "true" | undefined;
  /** The sub-agents of this chat. */
  parent?: string | undefined;
}

/** The same for filters that ask for the same. */
export function filterKey(filter: ChatListFilter): string {
  const { search, label, archived = "false", status, pinned, parent } = filter;
  return JSON.stringify([wordsOf(search), labelsOf(label), archived, status, pinned, parent]);
}

/** The query of `GET /chats`. */
export function queryOf(filter: ChatListFilter) {
  const { archived, status, pinned, parent } = filter;
  const label = labelsOf(filter.label);
  const search = wordsOf(filter.search);
  return {
    ...(search === "" ? {} : { search }),
    ...(label.length === 0 ? {} : { label }),
    ...(archived === undefined ? {} : { archived }),
    ...(status === undefined ? {} : { status }),
    ...(pinned === undefined ? {} : { pinned }),
    ...(parent === undefined ? {} : { parent }),
  };
}

/** What can be told of a chat by itself. What it says, and so whether a search finds it, only the server knows. */
export function matches(chat: Chat, filter: ChatListFilter): boolean {
  const { archived = "false", status, pinned, parent } = filter;
  return (
    (archived === "all" || chat.archived === (archived === "true")) &&
    (status === undefined || chat.status === status) &&
    (pinned === undefined || chat.pinned) &&
    chat.parent_chat_id === (parent ?? null) &&
    labelsOf(filter.label).every((label) => hasLabel(chat.labels, label))
  );
}

/** A search cannot be judged here. */
export function isSearch(filter: ChatListFilter): boolean {
  return wordsOf(filter.search) !== "";
}

function wordsOf(search: string | undefined): string {
  return (search ?? "").split(/\s+/).filter(Boolean).join(" ");
}

function labelsOf(label: ChatListFilter["label"]): string[] {
  return [label ?? []].flat().toSorted();
}

function hasLabel(labels: Labels, label: string): boolean {
  const at = label.indexOf(":");
  if (at === -1) return Object.hasOwn(labels, label);
  const key = label.slice(0, at);
  return Object.hasOwn(labels, key) && labels[key] === label.slice(at + 1);
}

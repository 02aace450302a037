import type { Chat } from "@parley/protocol";
import { compareChats, isNewerChat } from "./list-order.ts";
import { notConnected, type ConnectionView } from "./connection-state.ts";

/** What is known of one list. Replaced, never changed; a chat that has not changed stays the same object. */
export interface ChatListState extends ConnectionView {
  readonly chats: readonly Chat[];
  /** The first page is there. */
  readonly ready: boolean;
  /** There are more than are shown: `loadMore` brings them. */
  readonly hasMore: boolean;
  readonly loadingMore: boolean;
  /** Why the list cannot be brought up to date. What is shown stays. */
  readonly error: Error | null;
}

export const emptyListState: ChatListState = {
  chats: [],
  ready: false,
  hasMore: false,
  loadingMore: false,
  ...notConnected,
  error: null,
};

/** Pages that have been read; what comes after the last of them is not known. */
export interface Pages {
  readonly chats: readonly Chat[];
  /** Of the next page; null: there is none. */
  readonly next: string | null;
}

export const noPages: Pages = { chats: [], next: null };

/** Adds chats, or replaces older versions of them. The same list where nothing is new. */
export function withChats(chats: readonly Chat[], more: readonly Chat[]): readonly Chat[] {
  const held = new Map(chats.map((chat) => [chat.id, chat]));
  let changed = false;
  for (const chat of more) {
    const known = held.get(chat.id);
    if (known !== undefined && !isNewerChat(chat, known)) continue;
    held.set(chat.id, chat);
    changed = true;
  }
  return changed ? [...held.values()].toSorted(compareChats) : chats;
}

export function withoutChats(
  chats: readonly Chat[],
  isGone: (chat: Chat) => boolean,
): readonly Chat[] {
  return chats.some(isGone) ? chats.filter((chat) => !isGone(chat)) : chats;
}

/** The chat belongs to a page that has not been read. */
export function isBeyond(pages: Pages, chat: Chat): boolean {
  const last = pages.chats.at(-1);
  return pages.next !== null && last !== undefined && compareChats(chat, last) > 0;
}

/** The chats that the window should hold, and does not, are gone; of those older than the window it says nothing. */
export function missingFrom(
  window: ReadonlySet<string>,
  chats: readonly Chat[],
): (chat: Chat) => boolean {
  const oldest = chats.findLast((chat) => window.has(chat.id));
  return (chat) => oldest !== undefined && !window.has(chat.id) && compareChats(chat, oldest) < 0;
}

import type { Chat } from "@parley/protocol";

/** Both versions only grow: what has neither greater is no news. */
export function isNewerChat(a: Chat, b: Chat): boolean {
  return a.snapshot_version > b.snapshot_version || a.metadata_version > b.metadata_version;
}

/** The order of `GET /chats`: the one with the newest message first. */
export function compareChats(a: Chat, b: Chat): number {
  const [at, other] = [lastMessageMs(a), lastMessageMs(b)];
  if (at !== other) return other - at;
  return a.id < b.id ? 1 : a.id > b.id ? -1 : 0;
}

function lastMessageMs(chat: Chat & { last_message_at?: string }): number {
  return Date.parse(chat.last_message_at ?? chat.created_at);
}

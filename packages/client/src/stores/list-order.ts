import type { Chat } from "@parley/protocol";

/** Both versions only grow: what has neither greater is no news. */
export function isNewerChat(a: Chat, b: Chat): boolean {
  return a.snapshot_version > b.snapshot_version || a.metadata_version > b.metadata_version;
}

/** The order of `GET /chats`: the one with the newest message first. */
export function compareChats(a: Chat, b: Chat): number {
  const [at, other] = [Date.parse(a.last_message_at), Date.parse(b.last_message_at)];
  if (at !== other) return other - at;
  return a.id < b.id ? 1 : a.id > b.id ? -1 : 0;
}

import type { Chat } from "@parley/protocol";

/** A row of the list: a heading, or a chat. */
export type ListRow =
  | { readonly kind: "heading"; readonly key: string; readonly text: string }
  | { readonly kind: "chat"; readonly key: string; readonly chat: Chat };

const dayMs = 24 * 3600 * 1000;

/** Pinned chats first, then by when something was last said in them. The order within each is kept. */
export function sectionsOf(chats: readonly Chat[], now: Date): ListRow[] {
  const rows: ListRow[] = [];
  let heading = "";
  const ordered = [
    ...chats.filter(({ pinned }) => pinned),
    ...chats.filter(({ pinned }) => !pinned),
  ];
  for (const chat of ordered) {
    const text = chat.pinned ? "Pinned" : ageOf(new Date(chat.last_message_at), now);
    if (text !== heading) rows.push({ kind: "heading", key: `heading-${text}`, text });
    heading = text;
    rows.push({ kind: "chat", key: chat.id, chat });
  }
  return rows;
}

function ageOf(at: Date, now: Date): string {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  if (at.getTime() >= midnight) return "Today";
  if (at.getTime() >= midnight - dayMs) return "Yesterday";
  if (at.getTime() >= midnight - 7 * dayMs) return "Previous 7 days";
  if (at.getTime() >= midnight - 30 * dayMs) return "Previous 30 days";
  return at.toLocaleDateString(undefined, { month: "long", year: "numeric" });
}

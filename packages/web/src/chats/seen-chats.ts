import type { Chat } from "@parley/protocol";
import { useSyncExternalStore } from "react";

/** Which version of each chat this browser has shown. */
interface SeenChats {
  /** What was said before this browser first came here is not news. */
  readonly since: string;
  /** The one seen longest ago first. */
  readonly versions: Readonly<Record<string, number>>;
}

const storageKey = "parley.seen";
const chatsMax = 500;
const listeners = new Set<() => void>();
let seen: SeenChats = stored() ?? begin();

export function useSeenChats(): SeenChats {
  return useSyncExternalStore(subscribe, () => seen);
}

/** Something was said that nobody has looked at here. What a chat is saying right now is not said yet. */
export function isUnread(chat: Chat, { since, versions }: SeenChats): boolean {
  const version = versions[chat.id];
  return version === undefined ? chat.last_message_at > since : chat.history_version > version;
}

export function markSeen({ id, history_version }: Chat): void {
  if ((seen.versions[id] ?? -1) >= history_version) return;
  const { [id]: _, ...others } = seen.versions;
  const entries = Object.entries({ ...others, [id]: history_version }).slice(-chatsMax);
  set({ ...seen, versions: Object.fromEntries(entries) });
}

export function markUnread({ id, history_version }: Chat): void {
  set({ ...seen, versions: { ...seen.versions, [id]: history_version - 1 } });
}

function subscribe(listener: () => void): () => void {
  const onStorage = (event: StorageEvent): void => {
    if (event.key !== storageKey) return;
    seen = stored() ?? seen;
    listener();
  };
  listeners.add(listener);
  window.addEventListener("storage", onStorage);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("storage", onStorage);
  };
}

function begin(): SeenChats {
  const first = { since: new Date().toISOString(), versions: {} };
  keep(first);
  return first;
}

function set(next: SeenChats): void {
  seen = next;
  keep(next);
  for (const listener of listeners) listener();
}

function keep(value: SeenChats): void {
  try {
    localStorage.setItem(storageKey, JSON.stringify(value));
  } catch {
    // Full, or not allowed: it lasts as long as the page.
  }
}

function stored(): SeenChats | null {
  try {
    return JSON.parse(localStorage.getItem(storageKey) ?? "null") as SeenChats | null;
  } catch {
    return null;
  }
}

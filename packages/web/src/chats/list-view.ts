import type { ChatListFilter } from "@parley/client";

/** Which chats the list shows: what is typed, and what is chosen. */
export interface ListView {
  readonly search: string;
  readonly show: "current" | "archived" | "running" | "waiting-for-you" | "failed";
  /** `key:value`, or null for any. */
  readonly label: string | null;
}

export const everything: ListView = { search: "", show: "current", label: null };

export function isEverything({ search, show, label }: ListView): boolean {
  return search.trim() === "" && show === "current" && label === null;
}

export function toFilter({ search, show, label }: ListView): ChatListFilter {
  return {
    ...(search.trim() === "" ? {} : { search }),
    ...(label === null ? {} : { label }),
    ...statusOf[show],
  };
}

const statusOf: Record<ListView["show"], ChatListFilter> = {
  current: {},
  archived: { archived: "true" },
  running: { status: "running" },
  "waiting-for-you": { status: "requires_action" },
  failed: { status: "error" },
};

import type { ChatRow } from "./rows.ts";

/** How many chats may have a step in flight at a time, in the whole deployment; null: any number. */
export interface RunningLimits {
  readonly roots: number | null;
  readonly roots_per_owner: number | null;
  readonly sub_agents: number | null;
  readonly sub_agents_per_owner: number | null;
}

export const noLimits: RunningLimits = {
  roots: null,
  roots_per_owner: null,
  sub_agents: null,
  sub_agents_per_owner: null,
};

export type SlotKind = "root" | "sub_agent";

/** What one chat is held to. */
export interface SlotLimits {
  readonly kind: SlotKind;
  readonly max: number | null;
  readonly owner_max: number | null;
}

export function isLimited(limits: RunningLimits): boolean {
  return Object.values(limits).some((max) => max !== null);
}

export function slotKindOf({ parent_chat_id }: Pick<ChatRow, "parent_chat_id">): SlotKind {
  return parent_chat_id === null ? "root" : "sub_agent";
}

/** Only a chat that runs takes a slot: what is being stopped, or waits for somebody outside, is held to nothing. */
export function slotLimitsOf(
  limits: RunningLimits,
  chat: Pick<ChatRow, "parent_chat_id" | "status">,
): SlotLimits {
  const kind = slotKindOf(chat);
  if (chat.status !== "running") return { kind, max: null, owner_max: null };
  return kind === "root"
    ? { kind, max: limits.roots, owner_max: limits.roots_per_owner }
    : { kind, max: limits.sub_agents, owner_max: limits.sub_agents_per_owner };
}

import { isBusy } from "../../domain/agent.ts";
import type { Watched } from "../../store/family.ts";

export type WaitVerdict =
  | { readonly type: "ended" | "message" | "wait" }
  /** It was deleted while it was waited for. */
  | { readonly type: "deleted"; readonly id: string };

/** What a wait for these chats comes to, as they are now. */
export function judgeWait(ids: readonly string[], { chats, steered }: Watched): WaitVerdict {
  const gone = ids.find((id) => chats.every((chat) => chat.id !== id));
  if (gone !== undefined) return { type: "deleted", id: gone };
  if (!chats.some(isBusy)) return { type: "ended" };
  return { type: steered ? "message" : "wait" };
}

import type { CommitImage, MessageImage, Mirror } from "./mirror.ts";
import type { Verdict } from "./verdict.ts";

/** Invariant 4: history is always valid for a model. */
export function checkHistories(commit: CommitImage, mirror: Mirror, verdict: Verdict): void {
  const touched = new Set<string>();
  for (const net of commit.messages.values()) {
    const row = net.now ?? net.was;
    if (row) touched.add(row.chat_id);
  }
  for (const chatId of touched) {
    const status = mirror.chats.get(chatId)?.status;
    if (status === undefined) continue;
    const problem = problemOf(mirror.history(chatId), status === "waiting");
    verdict.check("history", problem === null, () => `chat ${chatId}: ${problem}`);
  }
}

/** Every call is answered, once, before the next message of a user; at rest none is open. */
function problemOf(history: readonly MessageImage[], atRest: boolean): string | null {
  const open = new Map<string, number>();
  for (const message of history) {
    const { id, role, visibility, tool_call_ids, tool_result_ids } = message;
    if (visibility === "user") continue;
    if (role === "user" && open.size > 0) {
      return `message ${id} of a user came before the results of ${[...open.keys()].join(", ")}`;
    }
    for (const call of tool_call_ids ?? []) {
      if (open.has(call))
        return `call ${call} was made twice before it was answered (message ${id})`;
      open.set(call, id);
    }
    for (const call of tool_result_ids ?? []) {
      if (!open.delete(call)) return `message ${id} answers ${call}, which is not open`;
    }
  }
  if (atRest && open.size > 0) return `at rest with open calls ${[...open.keys()].join(", ")}`;
  return null;
}

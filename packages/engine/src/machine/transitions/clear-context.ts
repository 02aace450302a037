import { NothingToClear, TransitionRejected } from "../../domain/errors.ts";
import type { MessageRow } from "../../domain/rows.ts";
import { readContextEnd } from "../../store/messages.ts";
import { closeOpenCalls } from "../close-open-calls.ts";
import { transition } from "../transition.ts";

const text = "Earlier context was cleared.";

/**
 * Commits a boundary without a model call: a marker that people see, then what the model sees, after which context
 * starts. Open calls of a failed turn are closed before it, since their results would have no calls after it.
 * Gives every message inserted.
 */
export const clearContext = transition<void, MessageRow[]>(
  "clearContext",
  async (bundle) => {
    const { last } = await readContextEnd(bundle.tx, bundle.chatId);
    if (last === null) throw new NothingToClear();
    const closed = await closeOpenCalls(bundle, "cleared");
    const parts = [{ type: "text" as const, text }];
    const rows = await Promise.all([
      bundle.insert({ role: "system", parts, visibility: "user", is_boundary: true }),
      bundle.insert({ role: "system", parts, visibility: "model", is_boundary: true }),
    ]);
    await bundle.set({
      status: "waiting",
      last_error: null,
      compaction_requested_at: null,
      compact_only: false,
    });
    return closed === null ? rows : [closed, ...rows];
  },
  {
    refuse: (from) =>
      from === "E1" ? new TransitionRejected("clearContext", from, "queue_not_empty") : null,
  },
);

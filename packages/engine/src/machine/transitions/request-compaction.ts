import { NothingToCompact } from "../../domain/errors.ts";
import { readContextEnd } from "../../store/messages.ts";
import { transition } from "../transition.ts";

/** Asks the worker to compact; from an idle chat that is all there is to do, from a failed turn the turn goes on. */
export const requestCompaction = transition<void, void>("requestCompaction", async (bundle) => {
  const { replied } = await readContextEnd(bundle.tx, bundle.chatId);
  if (!replied) throw new NothingToCompact();
  await bundle.set({
    status: "running",
    last_error: null,
    compaction_requested_at: "now",
    compact_only: bundle.state === "W",
    worker_id: null,
    runner_id: null,
    history_version: bundle.snapshot,
  });
});

import { TransitionRejected } from "../../domain/errors.ts";
import type { MessageRow } from "../../domain/rows.ts";
import { deleteQueued } from "../../store/queue.ts";
import { readQueueAndCalls, userMessage } from "../enter-history.ts";
import { transition } from "../transition.ts";

/** At a step boundary: every queued message marked to steer enters the running turn, in queue order. */
export const promoteSteering = transition<void, MessageRow[]>("promoteSteering", async (bundle) => {
  const [queue, calls] = await readQueueAndCalls(bundle);
  const steering = queue.filter((queued) => queued.manner === "steer");
  if (steering.length === 0) throw rejected("no steering message is queued");
  if (calls.length > 0) throw rejected("a tool call has no result yet");
  const compactOnly = bundle.flags.compact_only;
  bundle.queueTouched();
  const [rows] = await Promise.all([
    Promise.all(steering.map((queued) => bundle.insert(userMessage(queued)))),
    deleteQueued(
      bundle.atSnapshot(),
      bundle.chatId,
      steering.map((queued) => queued.id),
    ),
  ]);
  // Now there is somebody to answer: the compaction may still come first, but it is not all there is to do.
  if (compactOnly) await bundle.set({ compact_only: false });
  return rows;
});

function rejected(reason: string): TransitionRejected {
  return new TransitionRejected("promoteSteering", "R1", reason);
}

import { cancelRequiresAction } from "../../src/machine/transitions/cancel-requires-action.ts";
import { clearContext } from "../../src/machine/transitions/clear-context.ts";
import { commitStep } from "../../src/machine/transitions/commit-step.ts";
import { completeRequiresAction } from "../../src/machine/transitions/complete-requires-action.ts";
import { createChat } from "../../src/machine/transitions/create-chat.ts";
import { decideApproval } from "../../src/machine/transitions/decide-approval.ts";
import { deleteChat } from "../../src/machine/transitions/delete-chat.ts";
import { deleteQueuedMessage } from "../../src/machine/transitions/delete-queued-message.ts";
import { editMessage } from "../../src/machine/transitions/edit-message.ts";
import { editQueuedMessage } from "../../src/machine/transitions/edit-queued-message.ts";
import { enterRequiresAction } from "../../src/machine/transitions/enter-requires-action.ts";
import { finishError } from "../../src/machine/transitions/finish-error.ts";
import { finishInterruption } from "../../src/machine/transitions/finish-interruption.ts";
import { finishTurn } from "../../src/machine/transitions/finish-turn.ts";
import { forkChat } from "../../src/machine/transitions/fork-chat.ts";
import { interrupt } from "../../src/machine/transitions/interrupt.ts";
import { promoteQueuedMessage } from "../../src/machine/transitions/promote-queued-message.ts";
import { promoteSteering } from "../../src/machine/transitions/promote-steering.ts";
import { recordGenerationAttempt } from "../../src/machine/transitions/record-generation-attempt.ts";
import { recordRetryState } from "../../src/machine/transitions/record-retry-state.ts";
import { reconcileInvalidState } from "../../src/machine/transitions/reconcile-invalid-state.ts";
import { reorderQueuedMessage } from "../../src/machine/transitions/reorder-queued-message.ts";
import { requestCompaction } from "../../src/machine/transitions/request-compaction.ts";
import { retryTurn } from "../../src/machine/transitions/retry-turn.ts";
import { sendMessage } from "../../src/machine/transitions/send-message.ts";
import { setArchived } from "../../src/machine/transitions/set-archived.ts";
import type { Bundle } from "../../src/machine/bundle.ts";

/** Every transition by its name, for tests that use many. */
export const all = {
  cancelRequiresAction,
  clearContext,
  commitStep,
  completeRequiresAction,
  createChat,
  decideApproval,
  deleteChat,
  deleteQueuedMessage,
  editMessage,
  editQueuedMessage,
  enterRequiresAction,
  finishError,
  finishInterruption,
  finishTurn,
  forkChat,
  interrupt,
  promoteQueuedMessage,
  promoteSteering,
  recordGenerationAttempt,
  recordRetryState,
  reconcileInvalidState,
  reorderQueuedMessage,
  requestCompaction,
  retryTurn,
  sendMessage,
  setArchived,
};

/** What can be asked of a queued message, asked of one that does not exist. */
const queued_id = 2 ** 40;
export const queueActions: Record<string, (bundle: Bundle) => Promise<unknown>> = {
  deleting: (bundle) => deleteQueuedMessage(bundle, { queued_id }),
  promoting: (bundle) => promoteQueuedMessage(bundle, { queued_id }),
  moving: (bundle) => reorderQueuedMessage(bundle, { queued_id, position: 0 }),
  editing: (bundle) => editQueuedMessage(bundle, { queued_id, manner: "steer" }),
};

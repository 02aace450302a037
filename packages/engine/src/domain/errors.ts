import { ParleyError } from "../lib/errors.ts";
import type { State } from "./state.ts";
import type { OwnershipTransition, TransitionName } from "./transitions.ts";

/** The typed refusals of the machine. Each names one HTTP status through its `code` (protocol, `errorStatuses`). */

export class ChatNotFound extends ParleyError {
  constructor(chatId: string) {
    super("chat_not_found", "There is no such chat.", { details: { chat_id: chatId } });
  }
}

/** The row is in a combination that no transition but `reconcileInvalidState` may touch. */
export class InvalidState extends ParleyError {
  constructor(chatId: string, transition: TransitionName) {
    super(
      "invalid_state",
      "The chat is in an invalid state. Reconcile it first (POST /chats/{id}/reconcile).",
      { details: { chat_id: chatId, transition } },
    );
  }
}

export class TransitionRejected extends ParleyError {
  readonly transition: TransitionName | OwnershipTransition;
  readonly state: State;
  readonly reason: string;

  constructor(transition: TransitionName | OwnershipTransition, state: State, reason: string) {
    super("transition_rejected", `${transition} is not possible in state ${state}: ${reason}.`, {
      details: { transition, state, reason },
    });
    this.transition = transition;
    this.state = state;
    this.reason = reason;
  }
}

export class ChatBusy extends ParleyError {
  constructor(state: State) {
    super("chat_busy", "The chat is busy. Queue the message, steer, interrupt, or wait.", {
      details: { state },
    });
  }
}

export class MessageNotFound extends ParleyError {
  constructor(messageId: number) {
    super("message_not_found", "There is no such message in this chat that can be used here.", {
      details: { message_id: messageId },
    });
  }
}

export class QueuedMessageNotFound extends ParleyError {
  constructor(queuedId: number) {
    super(
      "queued_message_not_found",
      "There is no such queued message; it may have been sent by now.",
      {
        details: { queued_id: queuedId },
      },
    );
  }
}

export class QueueFull extends ParleyError {
  constructor(max: number) {
    super("queue_full", `The queue holds ${max} messages already.`, { details: { max } });
  }
}

export class ToolResultMismatch extends ParleyError {
  constructor(reason: string, toolCallIds: readonly string[]) {
    super("tool_result_mismatch", `The results do not fit the calls that wait: ${reason}.`, {
      details: { reason, tool_call_ids: [...toolCallIds] },
    });
  }
}

export class NothingToCompact extends ParleyError {
  constructor() {
    super("nothing_to_compact", "Nothing follows the last boundary that could be compacted.");
  }
}

export class NothingToClear extends ParleyError {
  constructor() {
    super("nothing_to_clear", "Nothing follows the last boundary.");
  }
}

export class NothingToRetry extends ParleyError {
  constructor() {
    super("nothing_to_retry", "The turn has nothing left to run again. Send a message instead.");
  }
}

export class NotFamilyRoot extends ParleyError {
  constructor(rootChatId: string) {
    super("not_family_root", "This can be done to the root chat of a family only.", {
      details: { root_chat_id: rootChatId },
    });
  }
}

/** The same idempotency key came with another request. */
export class IdempotencyKeyReused extends ParleyError {
  constructor(key: string) {
    super("idempotency_key_reused", "This idempotency key was used for another request.", {
      details: { key },
    });
  }
}

/**
 * The runner that asked is no longer the one named on the row, or the row has moved on: information, not a failure.
 */
export class FenceLost extends ParleyError {
  constructor(chatId: string) {
    super("fence_lost", "Another runner drives the chat now, or its state has changed.", {
      details: { chat_id: chatId },
    });
  }
}

import type { ModelSettings, ResponseFormat } from "@parley/protocol";
import { MessageNotFound } from "../../domain/errors.ts";
import type { MessageRow } from "../../domain/rows.ts";
import { abandonExecutions } from "../../store/executions.ts";
import { deleteMessagesFrom, readMessage } from "../../store/messages.ts";
import { clearQueue } from "../../store/queue.ts";
import { assertClientIdFree, userMessage, type UserMessage } from "../enter-history.ts";
import { transition } from "../transition.ts";
import { interruptDescendants } from "./interrupt.ts";

export interface EditMessage {
  readonly message_id: number;
  readonly parts: UserMessage["parts"];
  /** Absent: those of the message that is replaced. */
  readonly model?: string;
  readonly reasoning_effort?: string;
  readonly model_settings?: ModelSettings;
  /** Null: the reply is not asked to be of any form any more. */
  readonly response_format?: ResponseFormat | null;
  readonly client_id: string | null;
  readonly created_by: string | null;
  /** The queue stays; without it, it is cleared. */
  readonly keep_queue: boolean;
}

/** Replaces a user's message and everything after it, and starts over from there. Gives the replacement. */
export const editMessage = transition<EditMessage, MessageRow>(
  "editMessage",
  async (bundle, input) => {
    const { tx, chatId } = bundle;
    const target = await readMessage(tx, chatId, input.message_id);
    // What only the model sees is a copy of a message that is further up: that one can be edited.
    if (target?.role !== "user" || target.deleted || target.visibility === "model") {
      throw new MessageNotFound(input.message_id);
    }
    const clear = !input.keep_queue && bundle.queueLength > 0;
    bundle.cut(target.id);
    if (clear) bundle.queueTouched();
    await Promise.all([
      abandonExecutions(bundle.tx, chatId, target.id, "abandoned"),
      deleteMessagesFrom(bundle.atSnapshot(), chatId, target.id),
      clear ? clearQueue(bundle.atSnapshot(), chatId) : undefined,
    ]);
    await assertClientIdFree(bundle, input.client_id);
    const entered = await bundle.insert({
      ...userMessage({
        parts: input.parts,
        model: input.model ?? target.model,
        reasoning_effort: input.reasoning_effort ?? target.reasoning_effort,
        model_settings: input.model_settings ?? target.model_settings,
        response_format:
          input.response_format === undefined ? target.response_format : input.response_format,
        client_id: input.client_id,
        created_by: input.created_by,
      }),
      replaces: target.id,
    });
    await Promise.all([
      bundle.set({
        status: "running",
        last_error: null,
        hold: false,
        compaction_requested_at: null,
        compact_only: false,
        requires_action_deadline_at: null,
        turn_message_id: entered.id,
      }),
      // What they were started for is not said any more.
      interruptDescendants(bundle.transaction, chatId),
    ]);
    return entered;
  },
  { variantOf: ({ keep_queue }) => (keep_queue ? "keep_queue" : undefined) },
);

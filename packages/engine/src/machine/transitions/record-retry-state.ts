import type { RetryState } from "@parley/protocol";
import { storeRetryState } from "../../store/chats.ts";
import { transition } from "../transition.ts";

/** What failed and in how long it is tried again; the database says when that is. */
export type RecordRetryState = Omit<RetryState, "retrying_at">;

/** Stores what clients are shown until the next attempt is recorded. Gives it with its time. */
export const recordRetryState = transition<RecordRetryState, RetryState>(
  "recordRetryState",
  async (bundle, state) =>
    bundle.adopt(await storeRetryState(bundle.atSnapshot(), bundle.chatId, state))
      .retry_state as RetryState,
);

import type { Content, SendMessage } from "@parley/protocol";
import { emptyTranscript, type Transcript } from "../transcript.ts";
import { notConnected, type ConnectionView } from "./connection-state.ts";

/** A message that was sent from here and that the stream has not shown yet. */
export interface PendingMessage {
  /** The name that the message will have in the queue and in the history. */
  readonly client_id: string;
  readonly content: Content;
  readonly when_busy: SendMessage["when_busy"];
  /** `failed`: it is not known to have arrived; `retry` sends it again under the same name, `discard` gives it up. */
  readonly state: "sending" | "failed";
  readonly error: Error | null;
}

/** All that is known of one chat here. Replaced, never changed: what is the same object shows the same thing. */
export interface ChatState extends ConnectionView {
  readonly transcript: Transcript;
  /** In the order in which they were sent. */
  readonly pending: readonly PendingMessage[];
  /** Why the stream has ended for good: `ParleyApiError` (401, 404, …) or `StreamEndedError` (`chat_deleted`, …). */
  readonly ended: Error | null;
  readonly loadingOlder: boolean;
}

export const emptyChatState: ChatState = {
  transcript: emptyTranscript,
  pending: [],
  ...notConnected,
  ended: null,
  loadingOlder: false,
};

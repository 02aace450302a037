import type { Transcript } from "@parley/client";
import type { Status } from "@parley/protocol";

/** A message that was sent, and what is known of its place. */
export interface Sent {
  clientId: string;
  /** Its id in history, once it is there. */
  messageId: number | null;
  /** It was seen in the queue. */
  queued: boolean;
}

const busyStatuses: ReadonlySet<Status> = new Set(["running", "interrupting", "requires_action"]);

export function isBusyStatus(status: Status): boolean {
  return busyStatuses.has(status);
}

export function isBusy({ status }: Transcript): boolean {
  return status !== null && isBusyStatus(status.status);
}

/** What the stream has said since about a message that was sent. */
export function follow(sent: Sent, transcript: Transcript): Sent {
  const message = transcript.messages.find(({ client_id }) => client_id === sent.clientId);
  const queued =
    sent.queued || transcript.queue.some(({ client_id }) => client_id === sent.clientId);
  return { ...sent, messageId: sent.messageId ?? message?.id ?? null, queued };
}

/** The message has been answered, or its turn has failed, or somebody has taken it out of the queue. */
export function isSettled(sent: Sent, transcript: Transcript): boolean {
  const waits = transcript.queue.some(({ client_id }) => client_id === sent.clientId);
  if (waits || isBusy(transcript)) return false;
  const { messageId } = sent;
  if (messageId === null) return sent.queued;
  const turn = transcript.status?.turn_message_id ?? null;
  if (turn !== null && turn >= messageId) return true;
  // A message that steered a turn begins none: what comes after it answers it.
  return transcript.messages.some(({ id, role }) => id > messageId && role === "assistant");
}

import type { ChatRow } from "../domain/rows.ts";
import { nextStep } from "../domain/next-step.ts";
import type { Entered } from "../machine/ports.ts";
import { compactionBefore } from "./tasks/compaction.ts";
import type { TaskServices } from "./tasks/context.ts";
import {
  emptyTranscript,
  extended,
  modelOf,
  stepsOf,
  type Transcript,
} from "./tasks/transcript.ts";

type Services = Pick<TaskServices, "histories" | "models" | "compaction" | "limits" | "spending">;

/** What the commit of a message records, of the history that it makes. */
export const firstAttempt = 1;

/** A turn's history with the message that begins it. */
export interface FirstStep {
  readonly transcript: Transcript;
  /** A plain call of the model that was asked for comes next: nothing has to be read, decided or reserved before it. */
  readonly isPlainCall: boolean;
}

/**
 * What a turn begins with, as far as this replica knows it while the message that begins it is still being committed;
 * null where the history before it is not known here.
 *
 * Says the same as `advance` would in a transaction of its own, or leaves it to that: the worker's tests hold both
 * together. What another replica may change meanwhile (an interruption, an edit) changes the row, and fails the fence of
 * the reply.
 */
export function firstStep(services: Services, chat: ChatRow, entered: Entered): FirstStep | null {
  const { from, history_version, messages } = entered;
  const before = from === null ? emptyTranscript : services.histories.at(chat.id, from);
  if (before === null) return null;
  const transcript = extended(before, history_version, messages, []);
  const step = nextStep({
    messages: transcript.context,
    calls: [],
    steering: false,
    compaction: chat.compaction_requested_at !== null,
  });
  const { limits, spending } = services;
  const { model } = modelOf(chat, transcript);
  const isPlainCall =
    step === "call_model" &&
    services.models.has(model) &&
    compactionBefore(services, transcript, model, {}) === null &&
    stepsOf(transcript) < limits.stepsMax &&
    (limits.turnMs === null || limits.turnMs > 0) &&
    Object.values(spending.policy.standing).every((limit) => limit === null);
  return { transcript, isPlainCall };
}

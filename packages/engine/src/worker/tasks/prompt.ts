import type { MessageRow } from "../../domain/rows.ts";
import type { PromptMessage } from "../../models/model-port.ts";
import { uploadsIn, type UploadedPart } from "../files/plan.ts";

/** A context as models are given it. */
export interface Prompt {
  readonly messages: readonly PromptMessage[];
  /** The uploaded files that it refers to, oldest first. */
  readonly uploads: readonly UploadedPart[];
}

/**
 * Contexts grow at their end and their messages never change: what was made of the beginning is carried over, so that a
 * call costs the same however much was said before it.
 */
const prompts = new WeakMap<readonly MessageRow[], Prompt>();

export function promptOf(context: readonly MessageRow[]): Prompt {
  let prompt = prompts.get(context);
  if (prompt === undefined) prompts.set(context, (prompt = made(context)));
  return prompt;
}

/** To be called where a context is another one and fresh messages behind it. */
export function carryPrompt(
  from: readonly MessageRow[],
  to: readonly MessageRow[],
  fresh: readonly MessageRow[],
): void {
  const known = prompts.get(from);
  if (known === undefined) return;
  const { messages, uploads } = made(fresh);
  prompts.set(to, {
    messages: [...known.messages, ...messages],
    uploads: uploads.length === 0 ? known.uploads : [...known.uploads, ...uploads],
  });
}

function made(context: readonly MessageRow[]): Prompt {
  return { messages: context.map(promptMessage), uploads: uploadsIn(context) };
}

function promptMessage({ role, parts, finish_reason, model }: MessageRow): PromptMessage {
  // The model of a user's message is the one that was asked for, not one that wrote it.
  return { role, parts, finish_reason, model: role === "assistant" ? model : null };
}

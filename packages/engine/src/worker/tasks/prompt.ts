import type { MessageRow } from "../../domain/rows.ts";
import type { PromptMessage } from "../../models/model-port.ts";
import { uploadsIn, type UploadedPart } from "../files/plan.ts";

/** A context as models are given it. */
export interface Prompt {
  readonly messages: readonly PromptMessage[];
  /** The uploaded files that it refers to, oldest first. */
  readonly uploads: readonly UploadedPart[];
}

/** What a prompt is made of where it is not made yet: what was made before, and the messages behind it. */
interface Begun {
  readonly from: Prompt;
  readonly fresh: readonly MessageRow[];
}

/**
 * Contexts grow at their end and their messages never change: what was made of the beginning is carried over, so that a
 * call costs the same however much was said before it. It is put together when a model is called, and not for each
 * context on the way there: a list of ten thousand is 80 kB to copy, and to collect.
 */
const prompts = new WeakMap<readonly MessageRow[], Prompt | Begun>();

export function promptOf(context: readonly MessageRow[]): Prompt {
  const known = prompts.get(context);
  if (known !== undefined && "messages" in known) return known;
  const prompt = known === undefined ? made(context) : grown(known);
  prompts.set(context, prompt);
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
  const begun = "messages" in known ? { from: known, fresh: [] } : known;
  prompts.set(to, { from: begun.from, fresh: [...begun.fresh, ...fresh] });
}

function grown({ from, fresh }: Begun): Prompt {
  const { messages, uploads } = made(fresh);
  return {
    messages: [...from.messages, ...messages],
    uploads: uploads.length === 0 ? from.uploads : [...from.uploads, ...uploads],
  };
}

function made(context: readonly MessageRow[]): Prompt {
  return { messages: context.map(promptMessage), uploads: uploadsIn(context) };
}

function promptMessage({ role, parts, finish_reason, model }: MessageRow): PromptMessage {
  // The model of a user's message is the one that was asked for, not one that wrote it.
  return { role, parts, finish_reason, model: role === "assistant" ? model : null };
}

import type { Usage } from "@parley/protocol";
import type { MessageRow, NewMessage } from "../../domain/rows.ts";
import { storableText } from "../../lib/storable.ts";
import type { EpisodeKey } from "../../parts/ports.ts";
import { cutText } from "../../tools/cut-output.ts";
import { markPart, type Carried } from "./mark.ts";

/** Why a chat is compacted: a person asked for it, its context is nearly full, or the provider refused it as too long. */
export type CompactionReason = "asked" | "automatic" | "overflow";

/** The tool that people see in place of the summary. No model is offered it. */
export const compactionTool = "compact_context";

/** A summary that is longer is cut: it has to be much smaller than what it stands for. */
const summaryBytesMax = 64 * 1024;

export interface Summary {
  readonly text: string;
  readonly model: string;
  readonly usage: Usage | null;
}

/** One attempt is one call, and no two attempts of a chat have the same name. */
export function compactionCallId({ history_version, generation_attempt }: EpisodeKey): string {
  return `compaction_${history_version}_${generation_attempt}`;
}

/**
 * What a compaction commits: the summary, that only the model sees and with which context begins from now on; copies of
 * the messages that wait for an answer, for the model only as well; and what people see of it, a call and its result.
 * In this order, so that a fork that ends with what people see has it all.
 */
export function boundaryMessages(
  key: EpisodeKey,
  reason: CompactionReason,
  { text, model, usage }: Summary,
  replayed: readonly MessageRow[],
  carried: Carried,
): NewMessage[] {
  const summary = cutText(storableText(text).trim(), summaryBytesMax);
  const id = { tool_call_id: compactionCallId(key), tool_name: compactionTool };
  const { history_version, generation_attempt } = key;
  return [
    {
      role: "system",
      visibility: "model",
      is_boundary: true,
      parts: [{ type: "text", text: `${preface}\n\n${summary}` }, markPart(carried)],
    },
    ...replayed.map(({ parts, model: asked, reasoning_effort, ...more }): NewMessage => ({
      role: "user",
      visibility: "model",
      parts,
      model: asked,
      reasoning_effort,
      model_settings: more.model_settings,
      response_format: more.response_format,
      created_by: more.created_by,
    })),
    {
      role: "assistant",
      visibility: "user",
      parts: [{ type: "tool-call", ...id, input: { reason } }],
      model,
      usage,
      finish_reason: "tool_calls",
      episode: { history_version, generation_attempt },
    },
    {
      role: "tool",
      visibility: "user",
      parts: [{ type: "tool-result", ...id, output: summary, is_error: false }],
    },
  ];
}

const preface =
  "The conversation so far was longer than what is shown to you now. This is a summary of it. " +
  "Messages that follow may have been worked on already: go on from where the summary ends, and do not begin anew.";

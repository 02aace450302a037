import type { FilePart, Json, Part } from "@parley/protocol";
import type { MessageRow } from "../../domain/rows.ts";
import { contentItems, outputText } from "../../domain/tool-output.ts";
import { isTextual } from "../../models/prompt-files.ts";
import { textBytesMax } from "../files/plan.ts";

/** Tokens are counted by providers; this is for what no provider has counted yet. */
export const bytesPerToken = 4;

/** What an image or a page of a document costs with most providers, give or take. */
const fileTokens = 1_500;

type Entry = Pick<MessageRow, "parts">;
type Counted = Pick<MessageRow, "role" | "parts" | "usage" | "is_boundary">;

/** Messages never change: where no provider counts them, each is counted once, and not with every call again. */
const counted = new WeakMap<Entry, number>();

export function estimateTokens(messages: readonly Entry[]): number {
  return messages.reduce((sum, message) => sum + tokensOfMessage(message), 0);
}

function tokensOfMessage(message: Entry): number {
  let tokens = counted.get(message);
  if (tokens === undefined) {
    tokens = message.parts.reduce((sum, part) => sum + tokensOf(part), 0);
    counted.set(message, tokens);
  }
  return tokens;
}

/**
 * How many tokens the next prompt has: what the provider counted for the newest reply, and an estimate of what has come
 * since; an estimate of everything where no reply was counted.
 */
export function tokensInUse(context: readonly Counted[]): number {
  const at = context.findLastIndex(isCounted);
  const usage = context[at]?.usage;
  if (!usage) return estimateTokens(context);
  return (
    (usage.input_tokens ?? 0) + (usage.output_tokens ?? 0) + estimateTokens(context.slice(at + 1))
  );
}

/** What no provider has counted yet: what has come since the newest reply that one did count, or everything. */
export function uncounted<M extends Counted>(context: readonly M[]): readonly M[] {
  return context.slice(context.findLastIndex(isCounted) + 1);
}

/** How many of them were there at once after the boundary, so that no compaction can take them away. */
export function tokensAtStart(context: readonly Counted[]): number {
  if (context[0]?.is_boundary !== true) return 0;
  const first = context.find(isCounted);
  if (first !== undefined) return first.usage?.input_tokens ?? 0;
  const reply = context.findIndex(({ role }) => role === "assistant");
  return estimateTokens(reply === -1 ? context : context.slice(0, reply));
}

function isCounted({ role, usage }: Counted): boolean {
  return role === "assistant" && usage?.estimated !== true && (usage?.input_tokens ?? 0) > 0;
}

function tokensOf(part: Part): number {
  switch (part.type) {
    case "text":
    case "reasoning":
      return tokensIn(part.text);
    case "tool-call":
      return tokensIn(part.input_text ?? JSON.stringify(part.input));
    case "tool-result":
      return tokensOfOutput(part.output);
    case "file":
      return fileTokensOf(part);
    case "source":
    case "custom":
    case "structured-output":
      return 0;
    default:
      return part satisfies never;
  }
}

/** A picture in a result costs what a picture costs, however long it is in base64. */
function tokensOfOutput(output: Json): number {
  const files = contentItems(output)?.filter((item) => item.type === "file") ?? [];
  return tokensIn(outputText(output)) + files.length * fileTokens;
}

/** Of an uploaded text as much is sent as is counted here; what any other file costs depends on what is in it. */
function fileTokensOf({ media_type, size_bytes }: FilePart): number {
  if (size_bytes === undefined || !isTextual(media_type)) return fileTokens;
  return Math.ceil(Math.min(size_bytes, textBytesMax) / bytesPerToken);
}

function tokensIn(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / bytesPerToken);
}

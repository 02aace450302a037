import type { CustomPart, Part, StructuredOutputPart } from "@parley/protocol";
import type { MessageRow, NewMessage } from "../../domain/rows.ts";

/** How often a turn tells its model that its result is wrong. */
export const repairsMax = 2;

const kind = "parley.repair";

/** Recognises, in history, what a turn has told its model already. */
const mark: CustomPart = { type: "custom", kind };

/** What the model is told of a result that is none: it is asked once more, and only it sees this. */
export function repairNote({ errors = [] }: StructuredOutputPart): NewMessage {
  const listed = errors.map(
    ({ path, message }) => `- ${path === "" ? "(the whole)" : path}: ${message}`,
  );
  const text = [
    "Your last reply is not accepted as the result that was asked for:",
    ...listed,
    "Reply again with the whole result, corrected: one JSON value and nothing else.",
  ].join("\n");
  return { role: "system", visibility: "model", parts: [{ type: "text", text }, mark] };
}

export function isRepairNote(message: Pick<MessageRow, "role" | "parts"> | undefined): boolean {
  return message?.role === "system" && message.parts.some(isMark);
}

function isMark(part: Part): boolean {
  return part.type === "custom" && part.kind === kind;
}

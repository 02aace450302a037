import type { ResponseFormat } from "@parley/protocol";
import type { MessageRow } from "../../domain/rows.ts";
import { carriedInto } from "../compaction/mark.ts";
import { isRepairNote } from "./repair.ts";

/** What the reply that ends a turn shall be, and how often the model was told in this turn that it was not. */
export interface Asked {
  readonly format: ResponseFormat;
  readonly repairs: number;
}

/**
 * What is asked of the running turn: the newest of its user messages that asks for a form decides, so that one which only
 * steers does not undo it.
 *
 * @param turnMessageId the message that began the turn; copies that a compaction made of it come after it.
 */
export function askedOf(
  context: readonly MessageRow[],
  turnMessageId: number | null,
): Asked | null {
  // Oldest first: the turn is the end of it, however much was said before.
  const turn = context.slice(context.findLastIndex(({ id }) => id < (turnMessageId ?? 0)) + 1);
  const asking = turn.findLast(({ role, response_format }) => role === "user" && response_format);
  if (!asking?.response_format) return null;
  const told = turn.filter(isRepairNote).length;
  return { format: asking.response_format, repairs: told + carriedInto(context).repairs };
}

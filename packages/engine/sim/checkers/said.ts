import { createHash } from "node:crypto";
import type { Part } from "@parley/protocol";

/** Parts stay the same objects for as long as a replica remembers its transcript. */
const known = new WeakMap<Part, string>();

/** What a message says, in short: the same words as the trigger in database/shadows.ts makes of the row. */
export function saidOf(parts: readonly Part[]): string {
  return parts.map(inShort).join(" ");
}

function inShort(part: Part): string {
  const before = known.get(part);
  if (before !== undefined) return before;
  const short = shortOf(part);
  known.set(part, short);
  return short;
}

function shortOf(part: Part): string {
  switch (part.type) {
    case "text":
      return `t${digest(part.text)}`;
    case "reasoning":
      return `r${digest(part.text)}`;
    case "tool-call":
      return `c${part.tool_call_id}`;
    case "tool-result":
      return `a${part.tool_call_id}`;
    default:
      return part.type;
  }
}

function digest(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

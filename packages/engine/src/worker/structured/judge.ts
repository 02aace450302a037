import type { Part, StructuredOutputPart } from "@parley/protocol";
import { jsonIn } from "../../domain/json-text.ts";
import { storableJson } from "../../lib/storable.ts";
import type { ModelReply } from "../../models/model-port.ts";
import type { SchemaChecker } from "../../schemas/checker.ts";
import type { Asked } from "./asked.ts";
import { repairsMax } from "./repair.ts";

/** Whether a reply is the last of its turn, as far as the model is concerned: then it is held to what was asked. */
export function isLastWord({ parts, finish_reason }: Pick<ModelReply, "parts" | "finish_reason">) {
  return (
    finish_reason !== "pause" &&
    !parts.some((part) => part.type === "tool-call" && part.provider_executed !== true)
  );
}

/**
 * Holds a reply to what was asked for. The part that this gives belongs at the reply's end.
 *
 * @throws what the checker throws when nothing can be checked now.
 */
export async function judge(
  { format, repairs }: Asked,
  { parts, finish_reason }: Pick<ModelReply, "parts" | "finish_reason">,
  checker: Pick<SchemaChecker, "check">,
): Promise<StructuredOutputPart> {
  const named = {
    type: "structured-output",
    ...(format.name === undefined ? {} : { name: format.name }),
  } as const;
  const found = jsonIn(textOf(parts));
  // Cut off by the provider: the turn ends with it, and asking again would be cut off again.
  const isCut = finish_reason === "length" || finish_reason === "content_filter";
  const again = !isCut && repairs < repairsMax ? ({ repairing: true } as const) : {};
  if (!found.found) {
    const message = isCut ? "the reply was cut off" : found.reason;
    return { ...named, outcome: "invalid", value: null, errors: [{ path: "", message }], ...again };
  }
  const value = storableJson(found.value);
  const verdict = await checker.check(format.schema, found.text);
  switch (verdict.kind) {
    case "valid":
      return { ...named, outcome: "valid", value };
    case "invalid":
      return { ...named, outcome: "invalid", value, errors: [...verdict.errors], ...again };
    case "unusable":
      // It is not the model that has to mend this.
      return {
        ...named,
        outcome: "invalid",
        value,
        errors: [{ path: "", message: `the schema cannot be applied: ${verdict.reason}` }],
      };
  }
}

function textOf(parts: readonly Part[]): string {
  return parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("");
}

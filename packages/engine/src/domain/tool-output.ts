import type { FilePart, Json, TextPart } from "@parley/protocol";

/** A resource that a tool names without sending it. */
export interface LinkedResource {
  readonly type: "resource";
  readonly uri: string;
  readonly title?: string;
  readonly media_type?: string;
}

export type OutputItem = TextPart | FilePart | LinkedResource;

/**
 * The output of a tool that is more than text or data: `{content: [...]}`, the form in which pictures and resources are
 * stored, shown and sent to models. Null for any other output.
 */
export function contentItems(output: Json): OutputItem[] | null {
  if (typeof output !== "object" || output === null || Array.isArray(output)) return null;
  const { content } = output;
  if (!Array.isArray(content) || content.length === 0 || Object.keys(output).length > 1)
    return null;
  const items: unknown[] = content;
  return items.every(isItem) ? items : null;
}

function isItem(value: unknown): value is OutputItem {
  if (typeof value !== "object" || value === null || !("type" in value)) return false;
  const item = value as Record<string, unknown>;
  const isText = (field: string): boolean => typeof item[field] === "string";
  switch (item["type"]) {
    case "text":
      return isText("text");
    case "file":
      return isText("media_type") && (isText("data") || isText("url"));
    case "resource":
      return isText("uri");
    default:
      return false;
  }
}

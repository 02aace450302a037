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

/** What there is to read in an output: text as it is, data as JSON, and that there are files or resources. */
export function outputText(output: Json): string {
  if (typeof output === "string") return output;
  const items = contentItems(output);
  return items === null ? JSON.stringify(output) : items.map(itemText).join("\n");
}

function itemText(item: OutputItem): string {
  switch (item.type) {
    case "text":
      return item.text;
    case "file":
      return `[file ${item.filename ?? item.media_type}]`;
    case "resource":
      return `[resource ${item.title ?? ""} at ${item.uri}]`;
  }
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

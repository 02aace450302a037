import type { Content, Part } from "@parley/protocol";

/** What a user said, as it would be said again. */
export function contentOf(parts: readonly Part[], text?: string): Content {
  const said = text ?? textOf(parts);
  const files = parts.filter((part) => part.type === "file");
  if (files.length === 0) return said;
  return [
    ...(said.trim() === "" ? [] : [{ type: "text" as const, text: said }]),
    ...files.map(({ provider_metadata: _metadata, reasoning: _reasoning, ...file }) => file),
  ];
}

/** The text in the parts; several become paragraphs. */
export function textOf(parts: readonly Part[]): string {
  return parts
    .filter((part) => part.type === "text")
    .map(({ text }) => text)
    .join("\n\n");
}

/** Until the server has looked at it. */
const unknownType = "application/octet-stream";

/** The parts of what is being sent. */
export function partsOf(content: Content): readonly Part[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return content.map((part) =>
    part.type === "text" ? part : { ...part, media_type: part.media_type ?? unknownType },
  );
}

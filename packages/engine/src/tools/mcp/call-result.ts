import type { CallToolResult, ContentBlock } from "@modelcontextprotocol/client";
import type { FilePart, Json, TextPart } from "@parley/protocol";
import type { LinkedResource, OutputItem } from "../../domain/tool-output.ts";
import { storableJson, storableText } from "../../lib/storable.ts";
import { cutText, leftOut, mediaBytesMax } from "../cut-output.ts";

/** More pieces than that are left out, and said to be. */
const itemsMax = 64;
const uriCharsMax = 2_048;
const titleCharsMax = 200;
const mediaTypeCharsMax = 255;

/**
 * A result in the form in which we keep one: text where there is only text, data where the server gave data, and
 * `{content: [...]}` (domain/tool-output.ts) where there are pictures, files or resources among it.
 */
export function outputOf(result: CallToolResult, textBytesMax: number): Json {
  const items = itemsOf(result, textBytesMax);
  const isPlain = items.every(({ type }) => type === "text");
  const structured = result.structuredContent;
  if (isPlain && structured !== undefined) {
    const data = storableJson(structured);
    const text = JSON.stringify(data);
    return Buffer.byteLength(text) <= textBytesMax ? data : cutText(text, textBytesMax);
  }
  if (isPlain) return cutText(joined(items), textBytesMax);
  return storableJson({ content: items });
}

/** The words of a result, for one that is an error. */
export function textOf(result: CallToolResult, textBytesMax: number): string {
  const text = joined(itemsOf(result, textBytesMax));
  return text === "" ? "The tool failed without saying why." : cutText(text, textBytesMax);
}

function joined(items: readonly OutputItem[]): string {
  return items.map((item) => (item.type === "text" ? item.text : "")).join("\n");
}

function itemsOf({ content }: CallToolResult, textBytesMax: number): OutputItem[] {
  const items: OutputItem[] = [];
  let textBytesLeft = textBytesMax;
  let mediaBytesLeft = mediaBytesMax;
  for (const block of content.slice(0, itemsMax)) {
    let item = itemOf(block);
    if (item.type === "file") {
      const bytes = item.data?.length ?? 0;
      if (bytes > mediaBytesLeft) item = leftOut(item);
      else mediaBytesLeft -= bytes;
    }
    if (item.type === "text") {
      // The last piece that fits is cut; those after it are not worth a marker each.
      if (textBytesLeft <= 0) continue;
      const text = cutText(item.text, Math.max(textBytesLeft, markerBytes));
      textBytesLeft -= Buffer.byteLength(text);
      item = { type: "text", text };
    }
    items.push(item);
  }
  if (content.length > itemsMax) {
    items.push({ type: "text", text: `[… ${content.length - itemsMax} more pieces left out …]` });
  }
  return items;
}

/** Room for what `cutText` says instead of what it cut. */
const markerBytes = 100;

function itemOf(block: ContentBlock): OutputItem {
  switch (block.type) {
    case "text":
      return textPart(block.text);
    case "image":
    case "audio":
      return filePart(block.mimeType, block.data);
    case "resource_link": {
      const { uri, name, title, mimeType } = block;
      return resource(uri, title ?? name, mimeType);
    }
    case "resource": {
      const { uri, mimeType } = block.resource;
      if ("text" in block.resource) return textPart(`${uri}\n\n${block.resource.text}`);
      return filePart(mimeType ?? "application/octet-stream", block.resource.blob, uri);
    }
    default:
      return textPart("[a piece of a kind that is not known here]");
  }
}

function textPart(text: string): TextPart {
  return { type: "text", text: storableText(text) };
}

function filePart(mediaType: string, data: string, uri?: string): FilePart {
  const filename = uri?.split(/[/?#]/).findLast((piece) => piece !== "");
  return {
    type: "file",
    media_type: storableText(mediaType).slice(0, mediaTypeCharsMax) || "application/octet-stream",
    data,
    ...(filename === undefined
      ? {}
      : { filename: storableText(filename).slice(0, mediaTypeCharsMax) }),
  };
}

function resource(uri: string, title: string, mediaType: string | undefined): LinkedResource {
  return {
    type: "resource",
    uri: storableText(uri).slice(0, uriCharsMax),
    title: storableText(title).slice(0, titleCharsMax),
    ...(mediaType === undefined
      ? {}
      : { media_type: storableText(mediaType).slice(0, mediaTypeCharsMax) }),
  };
}

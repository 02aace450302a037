import type { LanguageModelV4FilePart, LanguageModelV4TextPart } from "@ai-sdk/provider";
import type { FilePart } from "@parley/protocol";
import { typeOfContent } from "./file-signature.ts";
import type { Flavour } from "./prompt.ts";

type Placed = LanguageModelV4FilePart | LanguageModelV4TextPart;

const images = /^image\/(png|jpe?g|gif|webp)$/;
const texts = /^(text\/|application\/(json|xml|yaml|x-yaml|javascript|typescript|sql|toml|x-sh)\b)/;
const media = /^(image|audio|video)\/[\w.+-]+$/;

/** Put into the prompt as text. A drawing that is written in XML is text too: no provider takes it as a picture. */
export function isTextual(mediaType: string): boolean {
  return texts.test(mediaType) || mediaType === "image/svg+xml";
}

/** Whether there is any provider that takes such a file in any form: the bytes of others need not be read. */
export function isEverTaken(mediaType: string): boolean {
  return isTextual(mediaType) || media.test(mediaType) || mediaType === "application/pdf";
}

/**
 * A user's file in a form that the provider takes: as it is, as text, or as a note that it is there. Never an error,
 * since a file that one model cannot read must not end the chat.
 */
export function placeFile(file: FilePart, flavour: Flavour): Placed {
  const said = file.media_type.toLowerCase();
  if (isTextual(said) && file.data !== undefined) return asText(file, file.data);
  const inline = file.data ?? inlineOf(file.url);
  // A provider that finds something else in it refuses the call, and then every later one of the chat.
  const mediaType = inline === undefined ? said : typeOfContent(said, inline);
  if (mediaType === null) return note(file);
  if (!takes(flavour, mediaType, file.data !== undefined)) return note(file);
  const data = inline === undefined ? addressOf(file) : { type: "data" as const, data: inline };
  if (data === null) return note(file);
  return {
    type: "file",
    mediaType,
    data,
    ...(file.filename === undefined ? {} : { filename: file.filename }),
  };
}

function takes(flavour: Flavour, mediaType: string, isInline: boolean): boolean {
  switch (flavour) {
    case "openai-responses":
    case "anthropic":
      return images.test(mediaType) || mediaType === "application/pdf";
    case "openai-chat":
      if (images.test(mediaType)) return true;
      return isInline && /^(application\/pdf|audio\/(wav|mp3|mpeg))$/.test(mediaType);
    case "openai-compatible":
      return images.test(mediaType);
    case "google":
      return media.test(mediaType) || mediaType === "application/pdf";
  }
}

function inlineOf(url: string | undefined): string | undefined {
  return /^data:[^,]*;base64,(.*)$/s.exec(url ?? "")?.[1];
}

function addressOf({ url }: FilePart): LanguageModelV4FilePart["data"] | null {
  // Only the provider fetches it, never this server.
  if (url === undefined || !URL.canParse(url) || !/^https?:/.test(url)) return null;
  return { type: "url", url: new URL(url) };
}

function asText(file: FilePart, data: string): LanguageModelV4TextPart {
  const text = Buffer.from(data, "base64").toString("utf8");
  return { type: "text", text: `${label(file)}:\n\n${text}` };
}

export function note(file: FilePart): LanguageModelV4TextPart {
  const where = file.url === undefined || file.url.startsWith("data:") ? "" : ` at ${file.url}`;
  return { type: "text", text: `[${label(file)}${where}, which cannot be shown here]` };
}

function label({ filename, media_type }: FilePart): string {
  return `Attached file${filename === undefined ? "" : ` "${filename}"`} (${media_type})`;
}

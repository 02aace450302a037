import type { Content, FilePart, TextPart } from "@parley/protocol";
import type { HttpContext } from "../context.ts";
import { PayloadTooLarge, UnknownModel } from "../errors.ts";

/**
 * The parts of what a user says.
 *
 * @throws PayloadTooLarge
 */
export function partsOf(content: Content, context: HttpContext): (TextPart | FilePart)[] {
  const parts: (TextPart | FilePart)[] =
    typeof content === "string" ? [{ type: "text", text: content }] : content.map(defined);
  const bytes = parts.reduce((sum, part) => sum + bytesOf(part), 0);
  const { messageBodyBytesMax } = context.limits;
  if (bytes > messageBodyBytesMax) throw new PayloadTooLarge("The message", messageBodyBytesMax);
  return parts;
}

/** @throws UnknownModel where no provider of this installation is asked for by that name. */
export function checkModel(model: string | undefined, context: Pick<HttpContext, "models">): void {
  if (model !== undefined && !context.models.has(model)) throw new UnknownModel(model);
}

function bytesOf(part: TextPart | FilePart): number {
  const texts = part.type === "text" ? [part.text] : [part.data, part.url, part.filename];
  return texts.reduce((sum, text) => sum + (text === undefined ? 0 : Buffer.byteLength(text)), 0);
}

/** Absent fields are absent: JSON has no `undefined`. */
function defined(part: Exclude<Content, string>[number]): TextPart | FilePart {
  return Object.fromEntries(
    Object.entries(part).filter(([, value]) => value !== undefined),
  ) as unknown as TextPart | FilePart;
}

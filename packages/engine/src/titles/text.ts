import { limits } from "@parley/protocol";
import { storableText } from "../lib/storable.ts";

/** What fits beside other chats in a list. The limit for people's own titles is more than twice that. */
const titleCharsMax = Math.min(80, limits.titleCharsMax);

/**
 * A title from what a model has answered: one line of plain words. What models put around it goes (quotes, markup, "Title:"),
 * and so does whatever could hide or turn around what stands beside it. Null where nothing is left.
 */
export function titleFrom(answer: string): string | null {
  const line = plain(answer)
    .split("\n")
    .map((text) => text.trim())
    .find((text) => /[\p{L}\p{N}]/u.test(text));
  if (line === undefined) return null;
  const bare = line
    .replace(/^(?:[#>*\-\s]+|title\s*:\s*)+/i, "")
    .replace(/^[\s"'`“”‘’«»„*_]+|[\s"'`“”‘’«»„*_.]+$/gu, "");
  return shortened(bare);
}

/** Where no model says one: how the first message begins. Null where it has no words. */
export function fallbackTitle(message: string): string | null {
  return shortened(plain(message).replace(/[`*_#>]+/g, ""));
}

/** Without tags, control characters, and what changes the direction; joiners stay, some scripts are written with them. */
function plain(text: string): string {
  return storableText(text)
    .replace(/<\/?[a-z][^<>]{0,200}>/gi, "")
    .replace(/\r\n?/g, "\n")
    .replace(/[^\P{C}\n\u200c\u200d]/gu, "");
}

function shortened(text: string): string | null {
  const words = text.replace(/\s+/g, " ").trim();
  if (!/[\p{L}\p{N}]/u.test(words)) return null;
  const characters = Array.from(words);
  if (characters.length <= titleCharsMax) return words;
  const cut = characters.slice(0, titleCharsMax - 1).join("");
  const whole = cut.replace(/\s+\S*$/u, "");
  // One long word, or a language that puts no blanks between them.
  return `${whole.length > cut.length / 2 ? whole : cut}…`;
}

import type { Message } from "@parley/protocol";
import { textOf } from "./content.ts";

/** A chat as a Markdown document: what was said, without what tools did. */
export function transcriptText(title: string, messages: readonly Message[]): string {
  const said = messages
    .filter(({ role }) => role === "user" || role === "assistant")
    .map((message) => ({ role: message.role, text: textOf(message.parts).trim() }))
    .filter(({ text }) => text !== "")
    .map(({ role, text }) => `**${role === "user" ? "You" : "Assistant"}**\n\n${text}`);
  return [`# ${title}`, ...said].join("\n\n---\n\n") + "\n";
}

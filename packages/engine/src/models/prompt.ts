import type { LanguageModelV4Message, LanguageModelV4Prompt } from "@ai-sdk/provider";
import type { Part, ToolCallPart, ToolResultPart } from "@parley/protocol";
import type { PromptMessage } from "./model-port.ts";
import { takesMedia, type ModelCapabilities } from "./model-table.ts";
import { note, placeFile } from "./prompt-files.ts";
import {
  assistantContent,
  providerOf,
  resultContent,
  type AssistantContent,
} from "./prompt-parts.ts";

/** What differs between providers in what they take back. */
export type Flavour =
  | "openai-responses"
  | "openai-chat"
  | "openai-compatible"
  | "anthropic"
  | "google";

export interface PromptTarget {
  /** The name before the slash: metadata of another one is not sent. */
  provider: string;
  flavour: Flavour;
  /** Leave out what only this provider understands: for an adapter that refuses it. */
  plain?: boolean;
  /** What the model is known to be unable to do is not asked of it. */
  capabilities?: ModelCapabilities;
}

type User = Extract<LanguageModelV4Message, { role: "user" }>;
type ToolMessage = Extract<LanguageModelV4Message, { role: "tool" }>;

/**
 * The history in a form that every provider accepts: the system prompt first, then a user message; results directly
 * after their calls, one for each; no two user or assistant messages in a row; nothing empty; the last word not the
 * model's, except where it paused. Pure.
 */
export function assemblePrompt(
  systemPrompt: string | null,
  messages: readonly PromptMessage[],
  target: PromptTarget,
): LanguageModelV4Prompt {
  const firstOther = messages.findIndex(({ role }) => role !== "system");
  const leading = firstOther === -1 ? messages : messages.slice(0, firstOther);
  const system = [systemPrompt ?? "", ...leading.map(({ parts }) => textOf(parts))]
    .filter((text) => text.trim() !== "")
    .join("\n\n");
  const turns = firstOther === -1 ? [] : messages.slice(firstOther);
  const prompt: LanguageModelV4Prompt = [];
  if (system !== "") prompt.push({ role: "system", content: system });
  const results = new Results(turns);
  const lastUser = turns.findLastIndex(({ role }) => role === "user");
  turns.forEach((message, at) => {
    switch (message.role) {
      case "system":
        // In the middle of a conversation most providers refuse it.
        addUser(prompt, [
          { type: "text", text: `<system-note>\n${textOf(message.parts)}\n</system-note>` },
        ]);
        break;
      case "user":
        addUser(prompt, userContent(message.parts, target));
        break;
      case "assistant":
        addAssistant(
          prompt,
          assistantContent(message, target, {
            isLast: at === turns.length - 1,
            isCurrentTurn: at > lastUser,
          }),
          results.after(at, message).map((part) => resultContent(part, target)),
        );
        break;
      case "tool":
        // Placed with the calls that they answer.
        break;
    }
  });
  closeWithUser(prompt, turns.at(-1), target);
  return prompt;
}

/** The results of a history, each given out once, to the first call before it that has its id. */
class Results {
  readonly #found: { at: number; part: ToolResultPart }[];

  constructor(messages: readonly PromptMessage[]) {
    this.#found = messages.flatMap(({ parts }, at) =>
      parts
        .filter((part) => part.type === "tool-result")
        .filter((part) => part.provider_executed !== true)
        .map((part) => ({ at, part })),
    );
  }

  /** One result for each call of the message that this side answers, in call order. */
  after(at: number, { parts }: PromptMessage): ToolResultPart[] {
    return parts
      .filter((part) => part.type === "tool-call")
      .filter((call) => call.provider_executed !== true)
      .map((call) => this.#take(at, call));
  }

  #take(at: number, call: ToolCallPart): ToolResultPart {
    const i = this.#found.findIndex(
      (found) => found.at >= at && found.part.tool_call_id === call.tool_call_id,
    );
    const found = i === -1 ? undefined : this.#found.splice(i, 1)[0]?.part;
    return found ?? missingResult(call);
  }
}

function missingResult({ tool_call_id, tool_name }: ToolCallPart): ToolResultPart {
  const output = "No result was recorded for this call.";
  return { type: "tool-result", tool_call_id, tool_name, output, is_error: true };
}

function userContent(parts: readonly Part[], target: PromptTarget): User["content"] {
  return parts.flatMap((part): User["content"] => {
    if (part.type === "file") {
      const isTaken =
        target.capabilities === undefined || takesMedia(target.capabilities, part.media_type);
      return [isTaken ? placeFile(part, target.flavour) : note(part)];
    }
    return part.type === "text" && part.text.trim() !== ""
      ? [{ type: "text", text: part.text }]
      : [];
  });
}

function addUser(prompt: LanguageModelV4Prompt, content: User["content"]): void {
  const given: User["content"] =
    content.length === 0 ? [{ type: "text", text: "(empty message)" }] : content;
  const last = prompt.at(-1);
  if (last?.role === "user") last.content.push(...given);
  else prompt.push({ role: "user", content: given });
}

function addAssistant(
  prompt: LanguageModelV4Prompt,
  content: AssistantContent,
  results: ToolMessage["content"],
): void {
  // Reasoning that led to nothing was cut off behind it: providers refuse it without what came of it.
  while (content.at(-1)?.type === "reasoning") content.pop();
  if (content.length === 0) return;
  const last = prompt.at(-1);
  if (last === undefined || last.role === "system") {
    addUser(prompt, [{ type: "text", text: "(The conversation goes on from here.)" }]);
  }
  if (last?.role === "assistant") last.content.push(...content);
  else prompt.push({ role: "assistant", content });
  if (results.length > 0) prompt.push({ role: "tool", content: results });
}

function closeWithUser(
  prompt: LanguageModelV4Prompt,
  lastMessage: PromptMessage | undefined,
  target: PromptTarget,
): void {
  const last = prompt.at(-1);
  if (last?.role !== "assistant" || isPausedAt(lastMessage, target)) return;
  const text = last.content.at(-1);
  if (text?.type === "text") text.text = text.text.trimEnd();
  addUser(prompt, [{ type: "text", text: "(Please go on.)" }]);
}

/** Only the provider that paused can go on from there. */
function isPausedAt(message: PromptMessage | undefined, target: PromptTarget): boolean {
  return (
    message?.finish_reason === "pause" &&
    target.flavour === "anthropic" &&
    providerOf(message.model) === target.provider
  );
}

function textOf(parts: readonly Part[]): string {
  return parts
    .filter((part) => part.type === "text")
    .map(({ text }) => text)
    .join("\n");
}

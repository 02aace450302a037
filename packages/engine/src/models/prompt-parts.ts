import type { LanguageModelV4Message, LanguageModelV4ToolResultPart } from "@ai-sdk/provider";
import type {
  Part,
  ProviderMetadata,
  ReasoningPart,
  ToolCallPart,
  ToolResultPart,
} from "@parley/protocol";
import type { PromptMessage } from "./model-port.ts";
import { contentItems, outputText } from "../domain/tool-output.ts";
import { note } from "./prompt-files.ts";
import type { PromptTarget } from "./prompt.ts";
import { richOutput } from "./rich-output.ts";

type Assistant = Extract<LanguageModelV4Message, { role: "assistant" }>;
export type AssistantContent = Assistant["content"];

/** The parts of a model's message in the form in which they are sent back to `target`. */
export function assistantContent(
  message: PromptMessage,
  target: PromptTarget,
  { isLast, isCurrentTurn }: { isLast: boolean; isCurrentTurn: boolean },
): AssistantContent {
  const isOwn = providerOf(message.model) === target.provider;
  const reasoning = new Set(isOwn ? sendableReasoning(message, target, isCurrentTurn) : []);
  const answered = providerAnswered(message, isLast);
  const content: AssistantContent = [];
  for (const part of message.parts) {
    const options = isOwn ? optionsOf(part) : {};
    switch (part.type) {
      case "text":
        if (part.text.trim() !== "") content.push({ type: "text", text: part.text, ...options });
        break;
      case "reasoning":
        if (reasoning.has(part)) content.push({ type: "reasoning", text: part.text, ...options });
        break;
      case "tool-call":
        if (part.provider_executed !== true) content.push(callContent(part, target, options));
        else if (isOwn && !target.plain && answered.has(part.tool_call_id)) {
          content.push({
            ...callContent(part, target, options),
            toolName: part.tool_name,
            providerExecuted: true,
          });
        }
        break;
      case "tool-result":
        if (part.provider_executed === true && isOwn && !target.plain) {
          content.push({ ...resultContent(part, target), toolName: part.tool_name, ...options });
        }
        break;
      case "file":
        content.push(fileContent(part, isOwn && target.flavour === "google", options));
        break;
      case "custom":
        if (isOwn && !target.plain && isCustomKind(part.kind)) {
          content.push({ type: "custom", kind: part.kind, ...options });
        }
        break;
      case "source":
      // Said of the reply, not by the model.
      case "structured-output":
        break;
    }
  }
  return content;
}

type Options = { providerOptions?: ProviderMetadata };

function optionsOf(part: Part): Options {
  return "provider_metadata" in part && part.provider_metadata !== undefined
    ? { providerOptions: part.provider_metadata }
    : {};
}

/**
 * Reasoning that the provider takes back. Most want proof that it is theirs: a signature or the encrypted original. Where
 * there is no such thing (compatible servers), what is complete goes back as it is, and only within its own turn: some
 * models must see it again between their tool calls, and some refuse it afterwards.
 */
function sendableReasoning(
  { parts, finish_reason }: PromptMessage,
  { flavour, capabilities }: PromptTarget,
  isCurrentTurn: boolean,
): ReasoningPart[] {
  // Another model of the same provider had thought; this one has no place for it.
  if (capabilities?.reasoning === false) return [];
  const isPartial = finish_reason === "interrupted" || finish_reason === "error";
  const reasoning = parts.filter((part) => part.type === "reasoning");
  switch (flavour) {
    case "openai-chat":
      return [];
    case "openai-compatible":
      return isPartial || !isCurrentTurn ? [] : reasoning;
    case "openai-responses": {
      // One item's encrypted content stands on one of its summaries and speaks for all of them.
      const proven = new Set(
        reasoning
          .filter((part) => hasKey(part, "reasoningEncryptedContent"))
          .map((part) => valueOf(part, "itemId")),
      );
      return reasoning.filter((part) => proven.has(valueOf(part, "itemId")));
    }
    case "anthropic":
      return reasoning.filter((part) => hasKey(part, "signature") || hasKey(part, "redactedData"));
    case "google":
      return reasoning.filter((part) => hasKey(part, "thoughtSignature"));
  }
}

function valueOf({ provider_metadata }: ReasoningPart, key: string): unknown {
  return Object.values(provider_metadata ?? {}).find((values) => values[key] !== undefined)?.[key];
}

function hasKey(part: ReasoningPart, key: string): boolean {
  const value = valueOf(part, key);
  return typeof value === "string" && value !== "";
}

/** A call that its provider never answered is refused when it comes back, unless the provider paused at it. */
function providerAnswered({ parts, finish_reason }: PromptMessage, isLast: boolean): Set<string> {
  const relevant = isLast && finish_reason === "pause" ? "tool-call" : "tool-result";
  return new Set(
    parts
      .filter((part) => part.type === "tool-call" || part.type === "tool-result")
      .filter((part) => part.type === relevant && part.provider_executed === true)
      .map((part) => part.tool_call_id),
  );
}

function callContent(part: ToolCallPart, target: PromptTarget, options: Options) {
  return {
    type: "tool-call" as const,
    toolCallId: callIdFor(part.tool_call_id, target),
    toolName: toolNameFor(part.tool_name),
    input: objectInput(part),
    ...options,
  };
}

/** Every provider wants an object. What was no JSON goes back as none, beside the result that says so. */
function objectInput({ input }: ToolCallPart): Record<string, unknown> {
  if (typeof input === "object" && input !== null && !Array.isArray(input)) return input;
  return input === null ? {} : { input };
}

export function resultContent(
  part: ToolResultPart,
  target: PromptTarget,
): LanguageModelV4ToolResultPart {
  return {
    type: "tool-result",
    toolCallId: callIdFor(part.tool_call_id, target),
    toolName: toolNameFor(part.tool_name),
    output: part.is_error ? errorOutput(part, target) : plainOutput(part, target),
  };
}

function plainOutput(
  { output }: ToolResultPart,
  target: PromptTarget,
): LanguageModelV4ToolResultPart["output"] {
  const items = contentItems(output);
  if (items !== null) return richOutput(items, target);
  if (typeof output !== "string") return { type: "json", value: output };
  return { type: "text", value: output === "" ? "(no output)" : output };
}

function errorOutput(
  { output, provider_executed }: ToolResultPart,
  { flavour }: PromptTarget,
): LanguageModelV4ToolResultPart["output"] {
  if (provider_executed === true) {
    return typeof output === "string"
      ? { type: "error-text", value: output }
      : { type: "error-json", value: output };
  }
  const text = outputText(output);
  // Only some wire protocols have a mark for errors; the others must be told in words.
  const isMarked = flavour !== "openai-compatible";
  const value = isMarked || /^error\b/i.test(text) ? text : `Error: ${text}`;
  return { type: "error-text", value: value === "" ? "The tool failed." : value };
}

function fileContent(
  file: Extract<Part, { type: "file" }>,
  isTaken: boolean,
  options: Options,
): AssistantContent[number] {
  if (!isTaken || file.data === undefined) return note(file);
  const type = file.reasoning === true ? "reasoning-file" : "file";
  return { type, mediaType: file.media_type, data: { type: "data", data: file.data }, ...options };
}

function isCustomKind(kind: string): kind is `${string}.${string}` {
  return kind.includes(".");
}

export function providerOf(model: string | null): string | null {
  return model === null ? null : model.slice(0, Math.max(0, model.indexOf("/")));
}

/**
 * Ids of one provider are refused by another that is strict about their letters; compatible servers are not, and some
 * of them read their own ids.
 */
function callIdFor(id: string, { flavour }: PromptTarget): string {
  if (flavour === "openai-compatible" || /^[a-zA-Z0-9_-]{1,64}$/.test(id)) return id;
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  const tail = (hash >>> 0).toString(16);
  return `${id.replace(/[^a-zA-Z0-9_-]/g, "_").slice(0, 48)}_${tail}`;
}

/** Models make up names that the provider would not let anybody declare. */
function toolNameFor(name: string): string {
  const usable = name.replace(/[^a-zA-Z0-9_-]/g, "_").slice(0, 64);
  return usable === "" ? "unknown" : usable;
}

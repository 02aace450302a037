import type { LanguageModelV4Message, LanguageModelV4Prompt } from "@ai-sdk/provider";

/** Anthropic takes four of them in a call. */
const cachePointsMax = 4;

/**
 * The prompt with Anthropic's marks up to where it is cached: after the tools and the system prompt, which all turns
 * share; where the call before this one ended, so that what it has cached is found again (a provider looks back only
 * some twenty blocks, and one batch of tools may have more); and at the end, for the call after this one.
 */
export function markCachePoints(prompt: LanguageModelV4Prompt): LanguageModelV4Prompt {
  const marked = new Set(cachePointsOf(prompt).slice(0, cachePointsMax));
  return prompt.map((message, at) => (marked.has(at) ? withMark(message) : message));
}

function cachePointsOf(prompt: LanguageModelV4Prompt): number[] {
  const system = prompt.findLastIndex(({ role }) => role === "system");
  const last = lastGiven(prompt, prompt.length);
  const reply = prompt
    .slice(0, Math.max(0, last))
    .findLastIndex(({ role }) => role === "assistant");
  return [system, last, lastGiven(prompt, reply)].filter((at) => at >= 0);
}

/** The last message before `end` that the model has not written itself: what calls end with. */
function lastGiven(prompt: LanguageModelV4Prompt, end: number): number {
  return prompt
    .slice(0, Math.max(0, end))
    .findLastIndex(({ role }) => role === "user" || role === "tool");
}

function withMark(message: LanguageModelV4Message): LanguageModelV4Message {
  const { anthropic = {}, ...others } = message.providerOptions ?? {};
  const cacheControl = { type: "ephemeral" };
  return { ...message, providerOptions: { ...others, anthropic: { ...anthropic, cacheControl } } };
}

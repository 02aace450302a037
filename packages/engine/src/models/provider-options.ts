import type { JsonObject } from "@parley/protocol";
import type { Flavour } from "./prompt.ts";

/**
 * Which options of a provider a chat may set. A list of what is allowed, not of what is not: options that reach past
 * the call (headers, betas, other servers, other tenants' stored responses, what is kept at the provider, another
 * prompt) must not slip through because a package learned a new one. How hard a model thinks and how much it says are
 * settings of their own, which a deployment can bound.
 */
const allowed: Record<Flavour, readonly string[]> = {
  "openai-responses": [
    "logprobs",
    "maxToolCalls",
    "parallelToolCalls",
    "promptCacheKey",
    "promptCacheRetention",
    "reasoningSummary",
    "safetyIdentifier",
    "serviceTier",
    "textVerbosity",
    "truncation",
  ],
  "openai-chat": [
    "logitBias",
    "logprobs",
    "parallelToolCalls",
    "prediction",
    "promptCacheKey",
    "serviceTier",
    "textVerbosity",
    "user",
  ],
  // They go into the body as they are named. Gateways take addresses, headers and keys from there.
  "openai-compatible": [
    "chat_template_kwargs",
    "enable_thinking",
    "include_reasoning",
    "keep_alive",
    "length_penalty",
    "logit_bias",
    "logprobs",
    "min_p",
    "min_tokens",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "no_repeat_ngram_size",
    "num_ctx",
    "parallel_tool_calls",
    "prompt_cache_key",
    "repeat_last_n",
    "repeat_penalty",
    "repetition_penalty",
    "safe_prompt",
    "service_tier",
    "skip_special_tokens",
    "textVerbosity",
    "tfs_z",
    "top_a",
    "top_k",
    "top_logprobs",
    "typical_p",
    "user",
  ],
  anthropic: ["disableParallelToolUse", "metadata", "serviceTier", "speed", "toolStreaming"],
  google: [
    "audioTimestamp",
    "imageConfig",
    "mediaResolution",
    "responseModalities",
    "safetySettings",
    "serviceTier",
  ],
};

/** Which options of a provider may be set: those of its kind, and what the deployment adds for a server of its own. */
export function allowedOptions(flavour: Flavour, added: readonly string[] = []): readonly string[] {
  return [...allowed[flavour], ...added];
}

/** Those of the options that may be sent. What was stored before a rule changed is held to the rule of today. */
export function sendableOptions(names: readonly string[], options: JsonObject = {}): JsonObject {
  return Object.fromEntries(Object.entries(options).filter(([option]) => names.includes(option)));
}

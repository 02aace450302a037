import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  TypeValidationError,
  UnsupportedFunctionalityError,
  type LanguageModelV4,
  type LanguageModelV4CallOptions,
  type LanguageModelV4StreamResult,
} from "@ai-sdk/provider";
import { reasoningEfforts, type ModelSettings, type ReasoningEffort } from "@parley/protocol";
import type { Clock } from "../../lib/clock.ts";
import type { ModelRequest } from "../model-port.ts";
import type { ModelCapabilities } from "../model-table.ts";
import { assemblePrompt, type Flavour } from "../prompt.ts";
import { withResponseFormat } from "../response-format.ts";
import { markCachePoints } from "../cache-points.ts";
import { allowedOptions, sendableOptions } from "../provider-options.ts";
import type { SilenceLimits } from "../silence.ts";
import { offeredSchema } from "../tool-schema.ts";
import type { Adapter } from "./call.ts";
import { Clients } from "./clients.ts";
import type { Wire } from "./event-filter.ts";
import { ModelHttp } from "./http-fetch.ts";

export interface ProviderConfig {
  apiKey: string;
  baseURL?: string;
  headers?: Record<string, string>;
}

export interface CompatibleConfig {
  /** What stands before the slash in its models' names. */
  name: string;
  baseURL: string;
  apiKey?: string;
  headers?: Record<string, string>;
  /** Offered in lists; others work too. */
  models?: readonly (string | { name: string; context_window_tokens?: number })[];
  /** Names of options that chats may set there beside the usual ones. */
  options?: readonly string[];
}

type Fetch = typeof globalThis.fetch;

/** A request in which everything is settled that the deployment has a say in. */
export interface FittedRequest extends Omit<ModelRequest, "signal"> {
  capabilities: ModelCapabilities;
}

/** One configured provider: makes the adapter for a call. */
export interface Provider {
  name: string;
  /** Its own options that may be set. */
  optionNames: readonly string[];
  adapter: (request: FittedRequest, silence: SilenceLimits) => Adapter;
}

interface ProviderShape {
  name: string;
  flavour: Flavour;
  secrets: readonly string[];
  model: (name: string, fetch: Fetch) => LanguageModelV4;
  options?: (name: string) => Partial<LanguageModelV4CallOptions>;
  /** Beside those that every provider of its kind has. */
  optionNames?: readonly string[];
}

/** The package knows no limit for models that are not Claude and would take 4,096. */
const foreignAnthropicTokensMax = 8_192;

export function openaiProvider(config: ProviderConfig, clock: Clock): Provider {
  return provider(clock, {
    name: "openai",
    flavour: "openai-responses",
    secrets: secretsOf(config),
    model: (name, fetch) => createOpenAI(openaiSettings(config, fetch)).responses(name),
    // History is self-contained: nothing is kept at the provider, so encrypted reasoning comes back to us.
    options: () => ({ providerOptions: { openai: { store: false } } }),
  });
}

/**
 * OpenAI's own Chat Completions. Other servers behind the same variables (DeepSeek, xAI, vLLM, …) send reasoning, which
 * OpenAI's package leaves out there and the one for compatible servers understands.
 */
export function openaiChatProvider(config: ProviderConfig, clock: Clock): Provider {
  const { baseURL } = config;
  if (baseURL !== undefined && !new URL(baseURL).hostname.endsWith(".openai.com")) {
    return compatibleProvider({ ...config, name: "openai-chat", baseURL }, clock);
  }
  return provider(clock, {
    name: "openai-chat",
    flavour: "openai-chat",
    secrets: secretsOf(config),
    model: (name, fetch) => createOpenAI(openaiSettings(config, fetch)).chat(name),
  });
}

export function anthropicProvider(config: ProviderConfig, clock: Clock): Provider {
  const baseURL = versioned(config.baseURL ?? "https://api.anthropic.com", "v1", true);
  return provider(clock, {
    name: "anthropic",
    flavour: "anthropic",
    secrets: secretsOf(config),
    model: (name, fetch) => createAnthropic({ ...config, baseURL, fetch }).languageModel(name),
    options: (name) =>
      name.includes("claude-") ? {} : { maxOutputTokens: foreignAnthropicTokensMax },
  });
}

export function googleProvider(config: ProviderConfig, clock: Clock): Provider {
  const base = config.baseURL ?? "https://generativelanguage.googleapis.com/v1beta";
  return provider(clock, {
    name: "google",
    flavour: "google",
    secrets: secretsOf(config),
    model: (name, fetch) =>
      createGoogle({ ...config, baseURL: versioned(base, "v1beta"), fetch }).languageModel(name),
    options: (name) =>
      // Older ones refuse the setting.
      /^gemini-(1|2\.0)|^gemma/.test(name)
        ? {}
        : { providerOptions: { google: { thinkingConfig: { includeThoughts: true } } } },
  });
}

export function compatibleProvider(config: CompatibleConfig, clock: Clock): Provider {
  const { name, baseURL, apiKey, headers, options = [] } = config;
  return provider(clock, {
    name,
    flavour: "openai-compatible",
    secrets: secretsOf(config),
    optionNames: options,
    model: (model, fetch) =>
      createOpenAICompatible({
        name,
        baseURL: versioned(baseURL, "v1"),
        includeUsage: true,
        fetch,
        ...(apiKey === undefined ? {} : { apiKey }),
        ...(headers === undefined ? {} : { headers }),
      }).chatModel(model),
  });
}

function openaiSettings(config: ProviderConfig, fetch: Fetch) {
  const baseURL = versioned(config.baseURL ?? "https://api.openai.com", "v1");
  return { ...config, baseURL, fetch };
}

function provider(clock: Clock, shape: ProviderShape): Provider {
  const http = new ModelHttp(clock);
  const { name, flavour } = shape;
  const clients = new Clients((model) => shape.model(model, http.fetch));
  return {
    name,
    optionNames: allowedOptions(flavour, shape.optionNames),
    adapter(request, silence) {
      const model = request.model.slice(name.length + 1);
      const format = request.response_format ?? null;
      const optionsFor = (plain: boolean) =>
        withResponseFormat(callOptions(request, shape, model, plain), format, flavour, model);
      return {
        provider: name,
        wire: wireOf(flavour),
        secrets: shape.secrets,
        silence,
        options: optionsFor(false),
        async doStream(call, options): Promise<LanguageModelV4StreamResult> {
          http.expect(options.abortSignal, call);
          const called = clients.of(model);
          try {
            return await called.doStream(options);
          } catch (error) {
            if (call.isMade || !isRefusedPrompt(error)) throw error;
            // The package refuses what it once gave us itself. The chat must go on without it.
            return await called.doStream({ ...options, prompt: optionsFor(true).prompt });
          }
        },
      };
    },
  };
}

function isRefusedPrompt(error: unknown): boolean {
  return TypeValidationError.isInstance(error) || UnsupportedFunctionalityError.isInstance(error);
}

function callOptions(
  request: FittedRequest,
  { name, flavour, options, optionNames }: ProviderShape,
  model: string,
  plain: boolean,
): LanguageModelV4CallOptions {
  const { system_prompt, messages, reasoning_effort, capabilities } = request;
  // The order in which tools were registered differs between replicas; providers' caches begin with the tools.
  const tools = request.tools.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(toolOption);
  const target = { provider: name, flavour, plain, capabilities };
  const prompt = assemblePrompt(system_prompt, messages, target);
  const { providerOptions: ours, ...given } = options?.(model) ?? {};
  const asked = sendableOptions(
    allowedOptions(flavour, optionNames),
    request.settings?.provider_options?.[name],
  );
  const key = optionsKey(name, flavour);
  const own = { ...asked, ...ours?.[key] };
  return {
    prompt: flavour === "anthropic" ? markCachePoints(prompt) : prompt,
    ...(tools.length === 0 ? {} : { tools, toolChoice: { type: "auto" } }),
    // What a provider does not know of efforts, its package maps to the nearest.
    ...(isEffort(reasoning_effort) ? { reasoning: reasoning_effort } : {}),
    ...given,
    ...sampling(request.settings ?? {}),
    ...(Object.keys(own).length === 0 ? {} : { providerOptions: { [key]: own } }),
  };
}

function sampling(settings: ModelSettings): Partial<LanguageModelV4CallOptions> {
  const { temperature, top_p, top_k, seed, stop } = settings;
  const { max_output_tokens, frequency_penalty, presence_penalty } = settings;
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(top_p === undefined ? {} : { topP: top_p }),
    ...(top_k === undefined ? {} : { topK: top_k }),
    ...(max_output_tokens === undefined ? {} : { maxOutputTokens: max_output_tokens }),
    ...(stop === undefined ? {} : { stopSequences: [...stop] }),
    ...(frequency_penalty === undefined ? {} : { frequencyPenalty: frequency_penalty }),
    ...(presence_penalty === undefined ? {} : { presencePenalty: presence_penalty }),
    ...(seed === undefined ? {} : { seed }),
  };
}

/** Under which name the packages look for their options: OpenAI's under its own, others' under the configured one. */
function optionsKey(name: string, flavour: Flavour): string {
  if (flavour === "openai-chat") return "openai";
  // That package takes what stands before the first dot.
  return flavour === "openai-compatible" ? (name.split(".")[0] ?? name) : name;
}

function toolOption({ name, description, input_schema }: ModelRequest["tools"][number]) {
  return {
    type: "function" as const,
    name,
    ...(description === undefined ? {} : { description }),
    // Providers insist on an object schema, also for tools without arguments.
    inputSchema: offeredSchema(input_schema),
  };
}

function isEffort(effort: string | null): effort is ReasoningEffort {
  return reasoningEfforts.some((known) => known === effort);
}

function wireOf(flavour: Flavour): Wire {
  return flavour === "openai-compatible" ? "openai-chat" : flavour;
}

function secretsOf({
  apiKey,
  headers,
}: {
  apiKey?: string;
  headers?: Record<string, string>;
}): string[] {
  return [apiKey ?? "", ...Object.values(headers ?? {})].filter((secret) => secret !== "");
}

/**
 * Base URLs are written with and without their version. A bare host is completed; where the provider's own tools leave
 * the version out even after a path (Anthropic), so may ours.
 */
function versioned(baseURL: string, version: string, alsoAfterPath = false): string {
  const base = baseURL.replace(/\/+$/, "");
  const hasVersion = /\/v\d+\w*$/.test(base);
  const isBare = new URL(base).pathname === "/";
  return isBare || (alsoAfterPath && !hasVersion) ? `${base}/${version}` : base;
}

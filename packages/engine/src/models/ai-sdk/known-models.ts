/** Models worth offering in a list. Any other name of a configured provider works too. */
export const knownModels = {
  openai: ["gpt-5.4-mini", "gpt-5.4", "gpt-6-luna", "gpt-6-sol", "gpt-5.4-nano", "gpt-4.1"],
  "openai-chat": ["gpt-5.4-mini", "gpt-5.4", "gpt-4.1"],
  anthropic: ["claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5"],
  google: ["gemini-3.8-flash", "gemini-3.1-pro-preview", "gemini-3.5-flash-lite"],
} as const;

/** The first match counts. Only what the providers document; null elsewhere. */
const windows: readonly (readonly [RegExp, number])[] = [
  [/^gpt-4\.1/, 1_047_576],
  [/^gpt-4o/, 128_000],
  [/^gpt-5(\.[0-3])?(-|$)/, 400_000],
  [/^o[134]/, 200_000],
  [/^claude-/, 200_000],
  [/^gemini-(2|3)/, 1_048_576],
];

/** The first match counts. What the providers document for whole families; null elsewhere. */
const capabilities: readonly (readonly [RegExp, KnownCapabilities])[] = [
  [/^gpt-4(\.1|o)/, { images: true, files: true, tools: true, reasoning: false }],
  [/^gpt-[56]/, { images: true, files: true, tools: true, reasoning: true }],
  [/^o[134]/, { images: null, files: null, tools: null, reasoning: true }],
  [/^claude-(opus|sonnet|haiku)-/, { images: true, files: true, tools: true, reasoning: true }],
  [/^claude-/, { images: true, files: null, tools: true, reasoning: null }],
  [/^gemini-(2\.5|3)/, { images: true, files: true, tools: true, reasoning: true }],
];

export interface KnownCapabilities {
  readonly images: boolean | null;
  readonly files: boolean | null;
  readonly tools: boolean | null;
  readonly reasoning: boolean | null;
}

const unknown: KnownCapabilities = { images: null, files: null, tools: null, reasoning: null };

export function capabilitiesOf(name: string): KnownCapabilities {
  return capabilities.find(([pattern]) => pattern.test(name))?.[1] ?? unknown;
}

export function contextWindowOf(name: string): number | null {
  return windows.find(([pattern]) => pattern.test(name))?.[1] ?? null;
}

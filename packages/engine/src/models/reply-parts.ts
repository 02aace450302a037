import type { JSONValue, SharedV4ProviderMetadata } from "@ai-sdk/provider";
import type { Json, ProviderMetadata, ToolCallPart } from "@parley/protocol";
import { storableJson, storableText } from "../lib/storable.ts";

export function callPart(
  tool_call_id: string,
  { toolName, providerExecuted }: { toolName: string; providerExecuted: boolean },
  inputText: string,
  metadata: { provider_metadata?: ProviderMetadata },
): ToolCallPart {
  return {
    type: "tool-call",
    tool_call_id,
    tool_name: toolName,
    ...parseInput(inputText),
    ...(providerExecuted ? { provider_executed: true } : {}),
    ...metadata,
  };
}

/** Models leave the arguments out, or say null, where a tool takes none. */
function parseInput(text: string): { input: Json; input_text?: string } {
  if (text.trim() === "") return { input: {} };
  try {
    return { input: storableJson(JSON.parse(text)) ?? {} };
  } catch {
    return { input: null, input_text: storableText(text) };
  }
}

export function metadataOf(part: { providerMetadata?: SharedV4ProviderMetadata }): {
  provider_metadata?: ProviderMetadata;
} {
  const metadata = mergeMetadata(undefined, part.providerMetadata);
  return metadata === undefined ? {} : { provider_metadata: metadata };
}

/** The later value of a key wins, except that null never covers what was there. */
export function mergeMetadata(
  before: ProviderMetadata | undefined,
  next: SharedV4ProviderMetadata | undefined,
): ProviderMetadata | undefined {
  if (next === undefined) return before;
  const merged: ProviderMetadata = { ...before };
  for (const [provider, values] of Object.entries(next)) {
    const known = { ...merged[provider] };
    for (const [key, value] of Object.entries(values as Record<string, JSONValue | undefined>)) {
      if (value === undefined || (value === null && key in known)) continue;
      known[storableText(key)] = storableJson(value);
    }
    if (Object.keys(known).length > 0) merged[storableText(provider)] = known;
  }
  return Object.keys(merged).length === 0 ? undefined : merged;
}

/** Whether metadata without text is worth a part: an item's bare id is not, a signature or encrypted content is. */
export function carriesMore(metadata: ProviderMetadata | undefined): boolean {
  return Object.values(metadata ?? {}).some((values) =>
    Object.entries(values).some(
      ([key, value]) => key !== "itemId" && value !== null && value !== "",
    ),
  );
}

import { reasoningEfforts, type ModelSettings, type ReasoningEffort } from "@parley/protocol";
import type { ModelRow } from "../domain/model-row.ts";
import { capabilitiesOf, contextWindowOf } from "./ai-sdk/known-models.ts";

/** What a model can do; null: nobody has said. */
export interface ModelCapabilities {
  readonly images: boolean | null;
  /** Documents that are no images: PDF. */
  readonly files: boolean | null;
  readonly tools: boolean | null;
  readonly reasoning: boolean | null;
}

/** What is known of a model beyond its name. */
export interface ModelTraits {
  readonly context_window_tokens: number | null;
  /** The most that one reply may have. */
  readonly max_output_tokens: number | null;
  /** What it may be asked for here, least first. Empty: it does not reason. Null: nobody knows, so anything. */
  readonly efforts: readonly ReasoningEffort[] | null;
  readonly default_effort: ReasoningEffort | null;
  readonly capabilities: ModelCapabilities;
  /** Models that stand in for it while its provider is down. */
  readonly fallback_models: readonly string[];
}

/** Nothing is known: what a port says of a model that it only passes on. */
export const unknownTraits: ModelTraits = {
  context_window_tokens: null,
  max_output_tokens: null,
  efforts: null,
  default_effort: null,
  capabilities: { images: null, files: null, tools: null, reasoning: null },
  fallback_models: [],
};

/** The rows of a deployment over what is known anyway. The first row that names a model counts for it. */
export class ModelTable {
  readonly #rows: readonly ModelRow[];
  readonly #fallbackModels: readonly string[];

  constructor(rows: readonly ModelRow[] = [], fallbackModels: readonly string[] = []) {
    this.#rows = rows;
    this.#fallbackModels = fallbackModels;
  }

  settings(model: string): ModelSettings {
    return this.#rowOf(model)?.settings ?? {};
  }

  traits(model: string, contextWindowTokens?: number): ModelTraits {
    const row = this.#rowOf(model);
    const name = model.slice(model.indexOf("/") + 1);
    const known = capabilitiesOf(name);
    const reasoning = row?.reasoning ?? (row?.efforts ? row.efforts.length > 0 : known.reasoning);
    const efforts = effortsOf(row, reasoning);
    const fallback = row?.fallback_models ?? this.#fallbackModels;
    return {
      context_window_tokens:
        row?.context_window_tokens ?? contextWindowTokens ?? contextWindowOf(name),
      max_output_tokens: row?.max_output_tokens ?? null,
      efforts,
      default_effort: row?.default_effort ?? null,
      capabilities: {
        images: row?.images ?? known.images,
        files: row?.files ?? known.files,
        tools: row?.tools ?? known.tools,
        reasoning,
      },
      fallback_models: fallback.filter((each) => each !== model),
    };
  }

  #rowOf(model: string): ModelRow | undefined {
    return this.#rows.find((row) =>
      row.model.endsWith("*") ? model.startsWith(row.model.slice(0, -1)) : model === row.model,
    );
  }
}

function effortsOf(
  row: ModelRow | undefined,
  reasoning: boolean | null,
): readonly ReasoningEffort[] | null {
  if (reasoning === false) return [];
  const named = row?.efforts;
  if (named === undefined && row?.max_effort === undefined) return null;
  const most = rankOf(row?.max_effort ?? "max");
  return reasoningEfforts.filter(
    (effort) => (named === undefined || named.includes(effort)) && rankOf(effort) <= most,
  );
}

/**
 * The effort that a call is made with: what was asked for, where the model knows it, else the nearest below it that it
 * knows, else its least. Null: the provider's own.
 */
export function fittingEffort(asked: string | null, traits: ModelTraits): ReasoningEffort | null {
  const { efforts, default_effort } = traits;
  const wanted = asked === null ? default_effort : effortOf(asked);
  if (wanted === null) return null;
  if (efforts === null) return wanted;
  return efforts.findLast((effort) => rankOf(effort) <= rankOf(wanted)) ?? efforts[0] ?? null;
}

/** Null: no such effort is known. Chats may have been made when any word was taken. */
function effortOf(text: string): ReasoningEffort | null {
  return reasoningEfforts.find((effort) => effort === text) ?? null;
}

function rankOf(effort: ReasoningEffort): number {
  return reasoningEfforts.indexOf(effort);
}

/** Whether a model may be shown a file of that type: it may where nobody says that it cannot. */
export function takesMedia(
  { images, files }: Pick<ModelCapabilities, "images" | "files">,
  mediaType: string,
): boolean {
  if (mediaType.toLowerCase().startsWith("image/")) return images !== false;
  return mediaType.toLowerCase() === "application/pdf" ? files !== false : true;
}

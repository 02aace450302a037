import type { ModelSettings, ReasoningEffort } from "@parley/protocol";

/** What a deployment says of its models. */
export interface ModelRow {
  /** `provider/model`; with `*` at its end, all that begin like that. */
  readonly model: string;
  readonly context_window_tokens?: number | undefined;
  readonly max_output_tokens?: number | undefined;
  readonly efforts?: readonly ReasoningEffort[] | undefined;
  readonly default_effort?: ReasoningEffort | undefined;
  readonly max_effort?: ReasoningEffort | undefined;
  readonly images?: boolean | undefined;
  readonly files?: boolean | undefined;
  readonly tools?: boolean | undefined;
  readonly reasoning?: boolean | undefined;
  /** What its calls are made with where neither chat nor message says otherwise. */
  readonly settings?: ModelSettings | undefined;
  readonly fallback_models?: readonly string[] | undefined;
}

import type {
  ErrorKind,
  FinishReason,
  JsonObject,
  LivePart,
  ModelSettings,
  Part,
  ResponseFormat,
  Role,
  Usage,
} from "@parley/protocol";
import { ParleyError } from "../lib/errors.ts";
import type { ModelTraits } from "./model-table.ts";

/** One message of the history as a model may see it: the caller has filtered by visibility already. */
export interface PromptMessage {
  role: Role;
  parts: readonly Part[];
  finish_reason: FinishReason | null;
  /** The `provider/model` that wrote it; null where no model did. */
  model: string | null;
}

/** A tool that the model may call. */
export interface ToolSpec {
  name: string;
  description?: string;
  /** JSON Schema of the arguments. */
  input_schema: JsonObject;
}

/** One streamed model call. */
export interface ModelRequest {
  /** `provider/model`. */
  model: string;
  reasoning_effort: string | null;
  /** Those of the chat and of the message; what they leave out is the deployment's to say. */
  settings?: ModelSettings;
  system_prompt: string | null;
  messages: readonly PromptMessage[];
  tools: readonly ToolSpec[];
  /** What the reply shall be, where that is asked for. */
  response_format?: ResponseFormat | null;
  /** Tool call ids that this chat has used before: a call that repeats one is given a fresh id. */
  used_call_ids: ReadonlySet<string>;
  /** No longer reply than this, in tokens, whatever else is asked for. */
  output_tokens_max?: number;
  /** What the call is for, where it is not for a reply. Nothing of it reaches a provider. */
  purpose?: "compaction" | "title";
  signal: AbortSignal;
}

export interface ModelReply {
  /** Equals the fold of everything that `onPart` was given. Empty where the model said nothing. */
  parts: Part[];
  finish_reason: FinishReason;
  usage: Usage | null;
  /** `provider/model` as it was asked for. */
  model: string;
  /** Events of a type that is not known: skipped, never fatal. */
  skipped_events: number;
}

/** A model call that is ready, and of which nothing has left yet. */
export interface ReadyCall {
  /** Lets it leave, in this very moment. Does nothing a second time. */
  send(): void;
  /**
   * The reply, as of `ModelPort.stream`; what was not sent is sent. To be called once.
   *
   * @throws ModelError
   */
  stream(signal: AbortSignal, onPart: (live: LivePart) => void): Promise<ModelReply>;
  /** Ends what nobody streams, sent or not. Does nothing where somebody does. */
  drop(): void;
}

export interface ModelInfo extends ModelTraits {
  /** `provider/model`. */
  id: string;
  provider: string;
  name: string;
}

/** What the worker knows of model providers. */
export interface ModelPort {
  /**
   * One model call. `onPart` is called synchronously for every delta, and once with the whole
   * committed form when a part ends.
   *
   * @throws ModelError for every way in which the call can fail, the caller's abort included.
   */
  stream(request: ModelRequest, onPart: (live: LivePart) => void): Promise<ModelReply>;
  /**
   * Makes a call ready while it is not known yet whether it may be made: prompt, request and connection. Where it is
   * absent or gives null, `stream` does all at once.
   */
  prepare?(request: Omit<ModelRequest, "signal">): ReadyCall | null;
  /** Whether the model's provider is configured here. */
  has(model: string): boolean;
  /** The names of the providers that are configured here: `has` is true for every model of theirs. */
  providers(): string[];
  /** Well-known models of the configured providers. Others of the same providers work too. */
  list(): ModelInfo[];
  defaultModel(): string;
  /** Null where `has` is false. */
  info(model: string): ModelInfo | null;
  /** Names of the provider's own options that may be set; null: it is not configured here. */
  optionsOf(provider: string): readonly string[] | null;
}

export interface ModelErrorOptions {
  kind: ErrorKind;
  /** Shown to users: bounded, and never with a key in it. */
  message: string;
  retryable: boolean;
  provider?: string;
  status_code?: number;
  /** The least delay that the provider asked for before the next try. */
  retry_after_ms?: number;
  /** The row of the classification table that decided. */
  row?: string;
  /** May be logged: no keys in it, and nothing of the prompt. */
  cause?: unknown;
}

/** A failed model call, classified (DESIGN, section 9). Its code is `model_<kind>`. */
export class ModelError extends ParleyError {
  readonly kind: ErrorKind;
  readonly retryable: boolean;
  readonly provider: string | undefined;
  readonly status_code: number | undefined;
  readonly retry_after_ms: number | undefined;

  constructor(options: ModelErrorOptions) {
    const { kind, message, retryable, provider, status_code, retry_after_ms, row, cause } = options;
    super(`model_${kind}`, message, { cause, details: { kind, provider, status_code, row } });
    this.name = "ModelError";
    this.kind = kind;
    this.retryable = retryable;
    this.provider = provider;
    this.status_code = status_code;
    this.retry_after_ms = retry_after_ms;
  }
}

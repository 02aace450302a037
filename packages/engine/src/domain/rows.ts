import type {
  ChatError,
  ChatMcpServer,
  ChatNotice,
  ClientTool,
  EpisodeName,
  FinishReason,
  Labels,
  ModelSettings,
  Part,
  ResponseFormat,
  RetryState,
  Role,
  Status,
  Usage,
  Visibility,
  WhenQueued,
} from "@parley/protocol";
import type { SpendLimit } from "./spending.ts";

/** A row of `parley.chats`, as it is. Times are of the database's clock. */
export interface ChatRow {
  readonly id: string;
  readonly owner_id: string;
  readonly parent_chat_id: string | null;
  readonly root_chat_id: string;
  readonly title: string | null;
  readonly labels: Labels;
  readonly pinned: boolean;
  readonly model: string;
  readonly reasoning_effort: string | null;
  readonly system_prompt: string | null;
  readonly client_tools: readonly ClientTool[];
  readonly model_settings: ModelSettings | null;
  /** Null: those of the deployment. */
  readonly fallback_models: readonly string[] | null;
  readonly sub_agents: boolean;
  readonly budget: SpendLimit | null;
  readonly family_budget: SpendLimit | null;
  readonly usage_replies: number;
  readonly usage_unpriced_replies: number;
  readonly usage_input_tokens: number;
  readonly usage_output_tokens: number;
  readonly usage_total_tokens: number;
  readonly usage_cost_usd_micros: number;
  /** As it is shown; what is secret stands elsewhere (machine/chat-servers.ts). */
  readonly mcp_servers: readonly ChatMcpServer[];
  /** Counts changes of the chat's servers, those of secrets included. */
  readonly mcp_revision: number;
  readonly notices: readonly ChatNotice[];
  readonly status: Status;
  readonly archived: boolean;
  readonly queue_length: number;
  readonly snapshot_version: number;
  readonly history_version: number;
  readonly queue_version: number;
  readonly retry_state_version: number;
  readonly metadata_version: number;
  readonly generation_attempt: number;
  /** By attempt of this history version: the model that it calls, where that is not the one that was asked for. */
  readonly attempt_models: Readonly<Record<string, string>> | null;
  /** Since when it has been running without having waited for anybody outside. */
  readonly running_since: Date | null;
  readonly worker_id: string | null;
  readonly runner_id: string | null;
  readonly runnable_since: Date | null;
  readonly last_error: ChatError | null;
  readonly retry_state: RetryState | null;
  readonly requires_action_deadline_at: Date | null;
  readonly compaction_requested_at: Date | null;
  readonly compact_only: boolean;
  readonly hold: boolean;
  readonly takeovers: number;
  readonly turn_message_id: number | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly last_message_at: Date;
}

/** A row of `parley.chat_messages`. */
export interface MessageRow {
  readonly id: number;
  readonly chat_id: string;
  readonly revision: number;
  readonly role: Role;
  readonly visibility: Visibility;
  readonly parts: readonly Part[];
  /** What a user's message asks the reply to be. */
  readonly response_format: ResponseFormat | null;
  readonly model: string | null;
  readonly reasoning_effort: string | null;
  readonly model_settings: ModelSettings | null;
  readonly usage: Usage | null;
  readonly finish_reason: FinishReason | null;
  readonly episode: EpisodeName | null;
  readonly created_by: string | null;
  readonly client_id: string | null;
  readonly is_boundary: boolean;
  readonly replaces: number | null;
  readonly deleted: boolean;
  readonly created_at: Date;
}

/** What a new message is made of; the rest the database adds. */
export interface NewMessage {
  readonly role: Role;
  readonly parts: readonly Part[];
  readonly visibility?: Visibility;
  readonly response_format?: ResponseFormat | null;
  readonly model?: string | null;
  readonly reasoning_effort?: string | null;
  readonly model_settings?: ModelSettings | null;
  readonly usage?: Usage | null;
  readonly finish_reason?: FinishReason | null;
  readonly episode?: EpisodeName | null;
  readonly created_by?: string | null;
  readonly client_id?: string | null;
  readonly is_boundary?: boolean;
  readonly replaces?: number | null;
}

/** A row of `parley.chat_queue`; `position` counts from 0 in queue order. */
export interface QueueRow {
  readonly id: number;
  readonly chat_id: string;
  readonly position: number;
  readonly manner: WhenQueued;
  readonly parts: readonly Part[];
  /** What a user's message asks the reply to be. */
  readonly response_format: ResponseFormat | null;
  readonly model: string | null;
  readonly reasoning_effort: string | null;
  readonly model_settings: ModelSettings | null;
  readonly created_by: string | null;
  readonly client_id: string | null;
  readonly created_at: Date;
}

/** A call in active history that has no result yet. */
export interface OpenCall {
  readonly message_id: number;
  /** The place of the call among those of its message that the provider did not run itself, from 0. */
  readonly ordinal: number;
  readonly tool_call_id: string;
  readonly tool_name: string;
  readonly input: unknown;
}

export type ExecutionState =
  | "intent"
  | "approved"
  | "denied"
  | "started"
  | "finished"
  | "unknown"
  | "abandoned";

/** A row of the ledger, `parley.tool_executions`. */
export interface ExecutionRow {
  readonly id: string;
  readonly chat_id: string;
  readonly message_id: number;
  readonly ordinal: number;
  readonly tool_call_id: string;
  readonly tool_name: string;
  readonly kind: "server" | "client";
  readonly state: ExecutionState;
  readonly needs_approval: boolean;
  readonly decided_by: string | null;
  readonly decided_at: Date | null;
  readonly decision_reason: string | null;
  readonly deadline_at: Date | null;
  readonly runner_id: string | null;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  /** How long it may wait for its client or its decision; null: the default. */
  readonly deadline_ms: number | null;
  readonly result: { readonly output: unknown; readonly is_error: boolean } | null;
}

/** An open call with its row in the ledger; null where it has none (a fork's, or a tool that nobody knows). */
export interface TrackedCall extends OpenCall {
  readonly execution: ExecutionRow | null;
  /** Its deadline has passed, by database time. */
  readonly expired: boolean;
}

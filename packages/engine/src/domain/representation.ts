import type { Chat, Message, QueuedMessage } from "@parley/protocol";
import type { ChatRow, MessageRow, QueueRow } from "./rows.ts";
import { shownBudget } from "./spending.ts";

/** A chat as the API shows it: what drives it (worker, runner, fences) stays inside. */
export function chatOf(row: ChatRow): Chat {
  return {
    id: row.id,
    status: row.status,
    archived: row.archived,
    title: row.title,
    model: row.model,
    reasoning_effort: row.reasoning_effort,
    system_prompt: row.system_prompt,
    labels: row.labels,
    pinned: row.pinned,
    client_tools: [...row.client_tools],
    model_settings: row.model_settings,
    fallback_models: row.fallback_models === null ? null : [...row.fallback_models],
    sub_agents: row.sub_agents,
    budget: shownBudget(row.budget),
    family_budget: shownBudget(row.family_budget),
    usage: {
      replies: row.usage_replies,
      unpriced_replies: row.usage_unpriced_replies,
      input_tokens: row.usage_input_tokens,
      output_tokens: row.usage_output_tokens,
      total_tokens: row.usage_total_tokens,
      cost_usd_micros: row.usage_cost_usd_micros,
    },
    mcp_servers: [...row.mcp_servers],
    notices: [...row.notices],
    owner_id: row.owner_id,
    parent_chat_id: row.parent_chat_id,
    root_chat_id: row.root_chat_id,
    snapshot_version: row.snapshot_version,
    history_version: row.history_version,
    queue_version: row.queue_version,
    retry_state_version: row.retry_state_version,
    metadata_version: row.metadata_version,
    generation_attempt: row.generation_attempt,
    turn_message_id: row.turn_message_id,
    last_error: row.last_error,
    retry_state: row.retry_state,
    requires_action_deadline_at: row.requires_action_deadline_at?.toISOString() ?? null,
    last_message_at: row.last_message_at.toISOString(),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

export function messageOf(row: MessageRow): Message {
  return {
    id: row.id,
    chat_id: row.chat_id,
    role: row.role,
    visibility: row.visibility,
    revision: row.revision,
    parts: [...row.parts],
    ...(row.response_format && { response_format: row.response_format }),
    model: row.model,
    usage: row.usage,
    finish_reason: row.finish_reason,
    episode: row.episode,
    is_boundary: row.is_boundary,
    replaces: row.replaces,
    client_id: row.client_id,
    created_by: row.created_by,
    created_at: row.created_at.toISOString(),
  };
}

/** Those of the messages that clients may see. */
export function messagesOf(rows: readonly MessageRow[]): Message[] {
  return rows.filter((row) => row.visibility !== "model" && !row.deleted).map(messageOf);
}

export function queuedOf(row: QueueRow): QueuedMessage {
  return {
    id: row.id,
    chat_id: row.chat_id,
    position: row.position,
    when_busy: row.manner,
    parts: [...row.parts],
    ...(row.response_format && { response_format: row.response_format }),
    model: row.model,
    reasoning_effort: row.reasoning_effort,
    ...(row.model_settings && { model_settings: row.model_settings }),
    client_id: row.client_id,
    created_by: row.created_by,
    created_at: row.created_at.toISOString(),
  };
}

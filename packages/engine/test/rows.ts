import type { ChatRow, ExecutionRow, MessageRow, TrackedCall } from "../src/domain/rows.ts";

/** A row as the database gives it, for what is decided without one. Default: running, unowned, snapshot 1. */
export function rowIn(over: Partial<ChatRow> = {}): ChatRow {
  const id = over.id ?? "00000000-0000-7000-8000-000000000001";
  const now = new Date(0);
  return {
    id,
    owner_id: "00000000-0000-7000-8000-000000000002",
    parent_chat_id: null,
    root_chat_id: id,
    title: null,
    labels: {},
    pinned: false,
    model: "test/model",
    reasoning_effort: null,
    system_prompt: null,
    client_tools: [],
    model_settings: null,
    fallback_models: null,
    mcp_servers: [],
    mcp_revision: 0,
    notices: [],
    status: "running",
    archived: false,
    queue_length: 0,
    snapshot_version: 1,
    history_version: 1,
    queue_version: 0,
    retry_state_version: 0,
    metadata_version: 1,
    generation_attempt: 0,
    attempt_models: null,
    running_since: now,
    worker_id: null,
    runner_id: null,
    runnable_since: now,
    last_error: null,
    retry_state: null,
    requires_action_deadline_at: null,
    compaction_requested_at: null,
    compact_only: false,
    hold: false,
    takeovers: 0,
    turn_message_id: 1,
    created_at: now,
    updated_at: now,
    last_message_at: now,
    ...over,
  };
}

export function messageIn(over: Partial<MessageRow> = {}): MessageRow {
  return {
    id: 1,
    chat_id: "00000000-0000-7000-8000-000000000001",
    revision: 1,
    role: "user",
    visibility: "both",
    parts: [],
    model: null,
    reasoning_effort: null,
    model_settings: null,
    usage: null,
    finish_reason: null,
    episode: null,
    created_by: null,
    client_id: null,
    is_boundary: false,
    replaces: null,
    response_format: null,
    deleted: false,
    created_at: new Date(0),
    ...over,
  };
}

export function trackedCall(
  tool_call_id: string,
  execution: Partial<ExecutionRow> | null,
  over: Partial<TrackedCall> = {},
): TrackedCall {
  const call = {
    message_id: 1,
    ordinal: 0,
    tool_call_id,
    tool_name: "tool",
    input: {},
    expired: false,
  };
  if (execution === null) return { ...call, execution, ...over };
  return {
    ...call,
    execution: {
      id: `execution of ${tool_call_id}`,
      chat_id: "00000000-0000-7000-8000-000000000001",
      message_id: 1,
      ordinal: 0,
      tool_call_id,
      tool_name: "tool",
      kind: "server",
      state: "intent",
      needs_approval: false,
      decided_by: null,
      decided_at: null,
      decision_reason: null,
      deadline_at: null,
      runner_id: null,
      started_at: null,
      finished_at: null,
      deadline_ms: null,
      result: null,
      ...execution,
    },
    ...over,
  };
}

import type { Chat, ChatEvent, EpisodeName, LivePart, Message, Part } from "@parley/protocol";

export const chatId = "0199d2a0-0000-7000-8000-000000000001";
export const at = "2026-01-01T00:00:00.000Z";

export function text(value: string): Part {
  return { type: "text", text: value };
}

export function message(id: number, revision: number, more: Partial<Message> = {}): Message {
  return {
    id,
    chat_id: chatId,
    role: "assistant",
    visibility: "both",
    revision,
    parts: [text(`message ${id} as of ${revision}`)],
    model: null,
    usage: null,
    finish_reason: null,
    episode: null,
    is_boundary: false,
    replaces: null,
    client_id: null,
    created_by: null,
    created_at: at,
    ...more,
  };
}

export function said(...args: Parameters<typeof message>): ChatEvent {
  return { type: "message", data: message(...args) };
}

export function episode(history_version: number, generation_attempt: number): EpisodeName {
  return { history_version, generation_attempt };
}

export function part(name: EpisodeName, seq: number, live: LivePart): ChatEvent {
  return { type: "message_part", data: { ...name, seq, part: live } };
}

export function delta(name: EpisodeName, seq: number, value: string, index = 0): ChatEvent {
  return part(name, seq, { type: "text", index, delta: value });
}

export function status(value: Chat["status"], turn_message_id: number | null = null): ChatEvent {
  return { type: "status", data: { status: value, archived: false, turn_message_id } };
}

export const ready: ChatEvent = { type: "ready", data: {} };

export function historyReset(after?: number): ChatEvent {
  return {
    type: "history_reset",
    data: { has_more: false, ...(after === undefined ? {} : { after }) },
  };
}

/** Gives every event a cursor, as the server does: here its place in the log. */
export function withCursors(log: readonly ChatEvent[]): ChatEvent[] {
  return log.map((event, index) => ({ ...event, cursor: `c${index + 1}` }));
}

export function chat(more: Partial<Chat> = {}): Chat {
  return {
    id: chatId,
    status: "waiting",
    archived: false,
    title: null,
    model: "demo/demo",
    reasoning_effort: null,
    system_prompt: null,
    labels: {},
    pinned: false,
    client_tools: [],
    model_settings: null,
    fallback_models: null,
    sub_agents: true,
    budget: null,
    family_budget: null,
    usage: {
      replies: 0,
      unpriced_replies: 0,
      input_tokens: 0,
      output_tokens: 0,
      total_tokens: 0,
      cost_usd_micros: 0,
    },
    mcp_servers: [],
    notices: [],
    owner_id: chatId,
    parent_chat_id: null,
    root_chat_id: chatId,
    snapshot_version: 1,
    history_version: 1,
    queue_version: 0,
    retry_state_version: 0,
    metadata_version: 1,
    generation_attempt: 0,
    turn_message_id: null,
    last_error: null,
    retry_state: null,
    requires_action_deadline_at: null,
    last_message_at: at,
    created_at: at,
    updated_at: at,
    ...more,
  };
}

import type { ChatError, FinishReason, Part, Status } from "@parley/protocol";

/** What a model is told of a chat that works for it. */
export type AgentStatus =
  | "running"
  | "stopping"
  /** It waits for a person's decision, or for a client. */
  | "requires_action"
  | "finished"
  | "failed"
  | "stopped";

/** A chat below another, with what it said last in its newest turn. */
export interface AgentRow {
  readonly id: string;
  readonly parent_chat_id: string;
  readonly title: string | null;
  readonly model: string;
  readonly status: Status;
  readonly last_error: ChatError | null;
  /** 1: a child. */
  readonly depth: number;
  /** It works, or was given work since the chat above all began its turn. */
  readonly current: boolean;
  readonly reply_parts: readonly Part[] | null;
  readonly reply_finish_reason: FinishReason | null;
}

/** Its turn is not over. */
export function isBusy({ status }: { readonly status: Status }): boolean {
  return status === "running" || status === "interrupting" || status === "requires_action";
}

export function agentStatusOf(
  agent: Pick<AgentRow, "status" | "last_error" | "reply_finish_reason">,
): AgentStatus {
  switch (agent.status) {
    case "running":
    case "requires_action":
      return agent.status;
    case "interrupting":
      return "stopping";
    case "error":
      return agent.last_error?.kind === "stopped" ? "stopped" : "failed";
    case "waiting":
      return isEnd(agent.reply_finish_reason) ? "finished" : "stopped";
  }
}

/** A turn that came to its own end ends with a reply that asked for nothing more. */
function isEnd(reason: FinishReason | null): boolean {
  return reason !== null && reason !== "interrupted" && reason !== "tool_calls";
}

/** What it said, without what it thought. */
export function replyTextOf({ reply_parts }: Pick<AgentRow, "reply_parts">): string {
  return (reply_parts ?? []).flatMap((part) => (part.type === "text" ? [part.text] : [])).join("");
}

import { agentStatusOf, isBusy, replyTextOf, type AgentRow } from "../../domain/agent.ts";
import type { Agent, AgentReport } from "../../tools/sub-agents/port.ts";
import { Refused } from "./calls.ts";

/** An agent as the model of the given chat is told of it. */
export function agentOf(row: AgentRow, chatId: string): Agent {
  const { id, parent_chat_id, title, model } = row;
  return {
    id,
    ...(parent_chat_id === chatId ? {} : { parent_id: parent_chat_id }),
    title,
    model,
    status: agentStatusOf(row),
  };
}

/** With what it has come to. */
export function reportOf(row: AgentRow, chatId: string): AgentReport {
  const agent = agentOf(row, chatId);
  const result = isBusy(row) ? "" : replyTextOf(row);
  return {
    ...agent,
    ...(result === "" ? {} : { result }),
    ...(agent.status === "failed" && row.last_error !== null
      ? { error: row.last_error.message }
      : {}),
  };
}

/** Also for what is there and is none of the chat's business. */
export function noSuchAgent(id: string): Refused {
  return new Refused(`There is no sub-agent ${id} of yours. It may have been deleted.`);
}

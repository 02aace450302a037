import type { ChatRow } from "../domain/rows.ts";
import type { ReadyCall } from "../models/model-port.ts";
import { ChatTools } from "./chat-tools.ts";
import { firstAttempt } from "./first-step.ts";
import type { TaskServices } from "./tasks/context.ts";
import { promptOf } from "./tasks/prompt.ts";
import { requestOf } from "./tasks/request.ts";
import type { Transcript } from "./tasks/transcript.ts";

type Services = Pick<TaskServices, "models" | "mcp" | "tools">;

/**
 * The first call of a turn, ready to be sent in the moment in which its commit is known; null where something has to be
 * read or waited for before it. Asks the model for the same as the task would: its row is locked and all that is written
 * to it is known.
 */
export function readyCall(
  services: Services,
  row: ChatRow,
  transcript: Transcript,
): ReadyCall | null {
  const { models, tools } = services;
  if (models.prepare === undefined || !areToolsKnown(services, row)) return null;
  if (promptOf(transcript.context).uploads.length > 0) return null;
  if (row.budget !== null || row.family_budget !== null) return null;
  try {
    return models.prepare(requestOf(row, transcript, new ChatTools(tools)));
  } catch {
    // The task makes the same request, and tells of it.
    return null;
  }
}

/** The row as the commit leaves it, where it records the attempt. */
export function attemptOf(chat: ChatRow, { history_version }: Transcript): ChatRow {
  return { ...chat, history_version, generation_attempt: firstAttempt, attempt_models: null };
}

/** No server has to be waited for, and there is nothing new to tell of any. */
function areToolsKnown({ mcp }: Services, { mcp_servers, notices }: ChatRow): boolean {
  if (mcp === null) return true;
  if (mcp_servers.length > 0 || notices.length > 0) return false;
  return mcp.tools.health().every(({ state }) => state === "up");
}

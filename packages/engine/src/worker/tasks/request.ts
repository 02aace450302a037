import type { ChatRow } from "../../domain/rows.ts";
import type { ModelRequest, ToolSpec } from "../../models/model-port.ts";
import { subAgentToolNames } from "../../tools/sub-agents/tools.ts";
import type { ChatTools } from "../chat-tools.ts";
import { askedOf } from "../structured/asked.ts";
import { promptOf } from "./prompt.ts";
import { calledModel } from "./routing.ts";
import { modelOf, type Transcript } from "./transcript.ts";

/** What a model is asked in an attempt. The bytes of uploaded files are not in it yet. */
export function requestOf(
  row: ChatRow,
  transcript: Transcript,
  tools: ChatTools,
): Omit<ModelRequest, "signal"> {
  const { reasoning_effort, settings } = modelOf(row, transcript);
  const model = calledModel(row, transcript);
  return {
    model,
    reasoning_effort,
    settings,
    system_prompt: row.system_prompt,
    messages: promptOf(transcript.context).messages,
    tools: offersOf(tools, row, model),
    response_format: askedOf(transcript.context, row.turn_message_id)?.format ?? null,
    used_call_ids: transcript.usedCallIds,
  };
}

/** The client's tools come first where names meet: the chat declared them for itself. */
function offersOf(tools: ChatTools, row: ChatRow, model: string): ToolSpec[] {
  const own = row.client_tools.map(({ name, description, input_schema }) => ({
    name,
    input_schema,
    ...(description === undefined ? {} : { description }),
  }));
  const names = new Set(own.map(({ name }) => name));
  const isOffered = ({ name }: ToolSpec): boolean =>
    !names.has(name) && (row.sub_agents || !subAgentToolNames.has(name));
  return [...own, ...tools.offers(model).filter(isOffered)];
}

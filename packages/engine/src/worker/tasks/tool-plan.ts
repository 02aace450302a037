import type { ToolCallPart, ToolResultPart } from "@parley/protocol";
import { closingResult, resultPart } from "../../domain/closing.ts";
import { isPending } from "../../domain/next-step.ts";
import type { TrackedCall } from "../../domain/rows.ts";
import type { NewExecution } from "../../store/executions.ts";
import { needsApproval, type Tool } from "../../tools/tool.ts";
import type { Transcript } from "./transcript.ts";

export type FindTool = (name: string) => Tool | undefined;

/** What becomes of one call of a batch. */
export type PlannedCall =
  /** Its result is there already, or there will never be one. */
  | { readonly how: "known"; readonly call: TrackedCall; readonly result: ToolResultPart }
  /** Not begun, or begun by a runner that is gone and safe to begin again. */
  | {
      readonly how: "run";
      readonly call: TrackedCall;
      readonly part: ToolCallPart;
      /** As it was when the step began; undefined: there is none of that name here. */
      readonly tool: Tool | undefined;
      /** It must be recorded as started before it runs: it may run once at most. */
      readonly once: boolean;
    };

/** The calls of a tool step, in call order: all that nobody outside is asked for. `callsMax`: of one reply. */
export function planTools(
  transcript: Pick<Transcript, "context" | "calls">,
  find: FindTool,
  callsMax = Number.POSITIVE_INFINITY,
): PlannedCall[] {
  return transcript.calls
    .filter((call) => !isPending(call))
    .map((call) => planCall(call, partOf(transcript, call), find, callsMax));
}

function tooManyText(callsMax: number): string {
  return `not run: no more than ${callsMax} calls are carried out in one step. Make the others in the next one.`;
}

function planCall(
  call: TrackedCall,
  part: ToolCallPart | undefined,
  find: FindTool,
  callsMax: number,
): PlannedCall {
  const { execution } = call;
  const open =
    execution?.result === null && (execution.state === "intent" || execution.state === "approved");
  if (!open || part === undefined) {
    // Finished, denied, or of unknown outcome: also what a dead owner had started and must not run twice.
    return { how: "known", call, result: closingResult(call, "not_run") };
  }
  if (call.ordinal >= callsMax) {
    return { how: "known", call, result: resultPart(call, tooManyText(callsMax), true) };
  }
  if (part.input_text !== undefined) {
    const shown = part.input_text.slice(0, inputShownCharsMax);
    const text = `The arguments are no valid JSON: ${shown} Call the tool again with a JSON object.`;
    return { how: "known", call, result: resultPart(call, text, true) };
  }
  const tool = find(call.tool_name);
  if (tool !== undefined && !execution.needs_approval && needsApproval(tool, part.input)) {
    // The replica that recorded the call did not know this tool, or knew it otherwise.
    return { how: "known", call, result: resultPart(call, notAskedText, true) };
  }
  return { how: "run", call, part, tool, once: tool?.delivery === "at_most_once" };
}

const notAskedText =
  "not run: this call needs an approval that nobody was asked for. Call the tool again.";

const inputShownCharsMax = 200;

function partOf(
  { context }: Pick<Transcript, "context">,
  call: TrackedCall,
): ToolCallPart | undefined {
  return context
    .find((message) => message.id === call.message_id)
    ?.parts.filter((part) => part.type === "tool-call")
    .find((part) => part.tool_call_id === call.tool_call_id);
}

/** How long calls wait for somebody outside where neither tool nor client says. */
export interface CallDeadlines {
  readonly approvalDeadlineMs: number;
  readonly clientToolDeadlineMs: number;
}

/** The ledger's row for a call that a model has just made. A client's call with broken arguments is answered here. */
export function executionOf(
  call: ToolCallPart,
  clientTools: readonly { readonly name: string; readonly deadline_seconds?: number | undefined }[],
  find: FindTool,
  deadlines: CallDeadlines,
): NewExecution {
  const { tool_call_id, tool_name } = call;
  const client = clientTools.find((tool) => tool.name === tool_name);
  if (client !== undefined && call.input_text === undefined) {
    const { deadline_seconds } = client;
    const deadline_ms =
      deadline_seconds === undefined ? deadlines.clientToolDeadlineMs : deadline_seconds * 1_000;
    return { tool_call_id, tool_name, kind: "client", needs_approval: false, deadline_ms };
  }
  const tool = client === undefined && call.input_text === undefined ? find(tool_name) : undefined;
  if (tool === undefined || !needsApproval(tool, call.input)) {
    return { tool_call_id, tool_name, kind: "server", needs_approval: false };
  }
  const deadline_ms = tool.approvalDeadlineMs ?? deadlines.approvalDeadlineMs;
  return { tool_call_id, tool_name, kind: "server", needs_approval: true, deadline_ms };
}

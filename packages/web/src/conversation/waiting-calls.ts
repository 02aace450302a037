import type { Transcript } from "@parley/client";

const none: ReadonlySet<string> = new Set();

/** The calls that wait for a person or for a client. */
export function waitingCalls(actions: Transcript["actions"]): ReadonlySet<string> {
  if (actions === null) return none;
  return new Set(actions.actions.map(({ tool_call_id }) => tool_call_id));
}

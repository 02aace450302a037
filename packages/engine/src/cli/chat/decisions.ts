import type { Approvals, PendingAction } from "@parley/protocol";
import { CommandError } from "./command-error.ts";
import type { Command } from "./commands.ts";

/**
 * What `/approve` and `/deny` decide. Without a call's id they mean the one call that waits.
 *
 * @throws CommandError
 */
export function decisionsOf(
  { name, rest }: Extract<Command, { name: "approve" | "deny" }>,
  actions: readonly PendingAction[],
): Approvals["decisions"] {
  const waiting = actions.filter(({ kind }) => kind === "approval");
  if (waiting.length === 0) throw new CommandError("no call waits for an approval");
  const [, word = "", more = ""] = /^(\S*)\s*([^]*)$/.exec(rest) ?? [];
  const named = waiting.filter(({ tool_call_id }) => word === "all" || tool_call_id === word);
  const chosen = named.length > 0 ? named : onlyOne(waiting);
  const said = named.length > 0 ? more : rest;
  if (name === "approve") {
    // A mistyped id must not approve another call.
    if (said !== "") throw new CommandError(`no call "${word}" waits for an approval`);
    return chosen.map(({ tool_call_id }) => ({ tool_call_id, decision: "approve" }));
  }
  const reason = said === "" ? {} : { reason: said };
  return chosen.map(({ tool_call_id }) => ({ tool_call_id, decision: "deny", ...reason }));
}

function onlyOne(waiting: readonly PendingAction[]): readonly PendingAction[] {
  if (waiting.length === 1) return waiting;
  const calls = waiting.map((call) => `  ${call.tool_call_id} ${call.tool_name}`).join("\n");
  throw new CommandError(`several calls wait: name one, or "all"\n${calls}`);
}

import { closingMessage } from "../../domain/closing.ts";
import { MessageNotFound } from "../../domain/errors.ts";
import type { MessageRow } from "../../domain/rows.ts";
import { readExecutionsByCall } from "../../store/executions.ts";
import { copyMessages, readMessage, readOpenCalls } from "../../store/messages.ts";
import { transition } from "../transition.ts";

export interface ForkChat {
  /** Read only. That the caller may read it is for the caller to check. */
  readonly source_chat_id: string;
  /** The last message that is kept. Absent: all. */
  readonly up_to?: number;
}

/**
 * The first bundle of a chat that `Machine.create` makes, with status `waiting`: the live messages of another chat.
 * Gives the messages of the new chat.
 */
export const forkChat = transition<ForkChat, MessageRow[]>("forkChat", async (bundle, input) => {
  const { tx, chatId } = bundle;
  const { source_chat_id: source, up_to } = input;
  if (up_to !== undefined) {
    const last = await readMessage(tx, source, up_to);
    if (last === undefined || last.deleted || last.visibility === "model") {
      throw new MessageNotFound(up_to);
    }
  }
  bundle.inserted(await copyMessages(bundle.atSnapshot(), chatId, source, up_to ?? null));
  const open = await readOpenCalls(tx, chatId);
  if (open.length > 0) {
    // The calls stay the source's: its ledger may know a result, and is not written to.
    const ids = open.map((call) => call.tool_call_id);
    const ledger = await readExecutionsByCall(tx, source, ids);
    const calls = open.map((call) => ({
      ...call,
      execution: ledger.find((row) => row.tool_call_id === call.tool_call_id) ?? null,
      expired: false,
    }));
    const closing = closingMessage(calls, "forked");
    if (closing !== null) await bundle.insert(closing);
  }
  return bundle.messages;
});

import type { MessageVersionsAnswer } from "@parley/protocol";
import { MessageNotFound } from "../../domain/errors.ts";
import { messageOf } from "../../domain/representation.ts";
import { readMessage } from "../../store/messages.ts";
import { readVersions, type VersionRow } from "../../store/message-versions.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";

/** More edits of one message than anybody looks back through. */
const versionsMax = 50;

/** The earlier versions of a message that an edit has put in place; none where none has. */
export async function messageVersionsCommand(
  context: HttpContext,
  caller: Caller,
  target: { chatId: string; messageId: number },
): Promise<MessageVersionsAnswer> {
  const id = await context.access.require(caller, target.chatId);
  const limit = context.limits.pageMessagesMax;
  return await context.machine.read(async (tx) => {
    const [message, rows] = await Promise.all([
      readMessage(tx, id, target.messageId),
      readVersions(tx, id, target.messageId, { versionsMax, limit: limit + 1 }),
    ]);
    if (message === undefined || message.deleted || message.visibility === "model") {
      throw new MessageNotFound(target.messageId);
    }
    return { versions: byVersion(rows).map((version) => pageOf(version, limit)) };
  }, "http.message_versions");
}

/** Rows come version by version. */
function byVersion(rows: readonly VersionRow[]): VersionRow[][] {
  return [...Map.groupBy(rows, (row) => row.version).values()];
}

function pageOf(rows: readonly VersionRow[], limit: number) {
  return { messages: rows.slice(0, limit).map(messageOf), has_more: rows.length > limit };
}

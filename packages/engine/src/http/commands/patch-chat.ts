import type { ChatAnswer, PatchChat } from "@parley/protocol";
import { chatOf } from "../../domain/representation.ts";
import { setArchived } from "../../machine/transitions/set-archived.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { withBounds } from "./bounds.ts";
import { checkChatLimits } from "./chat-limits.ts";
import { checkServers, replaceServers } from "./chat-servers.ts";
import { checkModelFits, checkModelWish } from "./model-wish.ts";
import { decide, requestKey, type Answer } from "./once.ts";

/** Writes metadata, and archives or unarchives the family: all of it or nothing. */
export async function patchChatCommand(
  context: HttpContext,
  caller: Caller,
  chatId: string,
  body: PatchChat,
  headerKey: string | undefined,
): Promise<Answer<ChatAnswer>> {
  const id = await context.access.require(caller, chatId);
  checkModelWish(body, context);
  checkChatLimits(body, context);
  checkServers(body.mcp_servers, context);
  const { archived, mcp_servers, ...metadata } = body;
  const key = requestKey(caller, id, headerKey, ["patchChat", id, body]);
  return await decide(context.machine, id, key, "http.patch_chat", async (chat, transaction) => {
    checkModelFits(body, chat.model, context);
    let row = chat;
    if (archived !== undefined && archived !== chat.archived) {
      row = await transaction.update(id, async (bundle) => {
        await setArchived(bundle, { archived });
        await bundle.refresh();
        return bundle.chat;
      });
    }
    const servers = await replaceServers(context, transaction.tx, row, mcp_servers);
    const changes = { ...given(withBounds(metadata, chat)), ...servers };
    if (Object.keys(changes).length > 0) row = await transaction.patch(id, changes);
    return { status: 200, body: { chat: chatOf(row) } };
  });
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The fields that are there: an absent one is not written. */
function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Given<T>;
}

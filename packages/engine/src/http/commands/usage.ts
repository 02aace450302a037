import type { UsageAnswer } from "@parley/protocol";
import { reportOf } from "../../domain/usage.ts";
import { countDescendants, readFamilyUsage } from "../../store/family.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";

/** What a chat and the sub-agents below it have used. */
export async function usageCommand(
  context: HttpContext,
  caller: Caller,
  chatId: string,
): Promise<UsageAnswer> {
  const { id } = await context.access.read(caller, chatId);
  return await context.machine.read(async (tx) => {
    const [rows, below] = await Promise.all([readFamilyUsage(tx, id), countDescendants(tx, id)]);
    return {
      own: reportOf(rows.filter((row) => row.own)),
      family: { ...reportOf(rows), chats: below + 1 },
    };
  }, "http.usage");
}

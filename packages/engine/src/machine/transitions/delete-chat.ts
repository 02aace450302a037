import type { ChatRow } from "../../domain/rows.ts";
import { deleteChatRow, insertTombstone, lockDescendants } from "../../store/chats.ts";
import type { Bundle } from "../bundle.ts";
import { transition } from "../transition.ts";

const deleteOne = transition<void, void>("deleteChat", async (bundle) => {
  const { chat, tx } = bundle;
  await Promise.all([insertTombstone(tx, chat), deleteChatRow(tx, chat.id)]);
  bundle.gone();
});

/** Deletes a chat and everything below it; each leaves a tombstone and ends its own streams. */
export async function deleteChat(bundle: Bundle): Promise<void> {
  await bundle.refresh();
  for (const descendant of await lockAllDescendants(bundle)) {
    await bundle.transaction.update(descendant.id, (one) => deleteOne(one));
  }
  await deleteOne(bundle);
}

/** A chat may have started one more while its lock was waited for; with its lock held it cannot. */
async function lockAllDescendants({ tx, chat }: Bundle): Promise<ChatRow[]> {
  let locked: ChatRow[] = [];
  for (;;) {
    const found = await lockDescendants(tx, chat);
    if (found.length === locked.length) return found;
    locked = found;
  }
}

import type { ChatRow } from "../../domain/rows.ts";
import { deleteChatRow, insertTombstone, lockDescendants } from "../../store/chats.ts";
import type { Bundle } from "../bundle.ts";
import { transition } from "../transition.ts";

const deleteOne = transition<void, void>("deleteChat", async (bundle) => {
  const { sketch: chat } = bundle;
  await Promise.all([insertTombstone(bundle.tx, chat), deleteChatRow(bundle.tx, chat.id)]);
  bundle.gone();
});

/** Deletes a chat and everything below it; each leaves a tombstone and ends its own streams. */
export async function deleteChat(bundle: Bundle): Promise<void> {
  await bundle.refreshState();
  for (const descendant of await lockAllDescendants(bundle)) {
    await bundle.transaction.update(descendant.id, (one) => deleteOne(one));
  }
  await deleteOne(bundle);
}

/** A chat may have started one more while its lock was waited for; with its lock held it cannot. */
async function lockAllDescendants({ transaction, sketch }: Bundle): Promise<ChatRow[]> {
  let locked: ChatRow[] = [];
  for (;;) {
    const found = await lockDescendants(transaction.tx, sketch);
    if (found.length === locked.length) return found;
    locked = found;
  }
}

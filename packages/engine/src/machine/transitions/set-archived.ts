import { NotFamilyRoot } from "../../domain/errors.ts";
import { lockFamily } from "../../store/chats.ts";
import type { Bundle } from "../bundle.ts";
import { transition } from "../transition.ts";

export interface SetArchived {
  readonly archived: boolean;
}

const setOne = transition<SetArchived, void>(
  "setArchived",
  async (bundle, { archived }) => void (await bundle.set({ archived })),
  { variantOf: ({ archived }) => `archived=${archived}` },
);

/**
 * Archives or unarchives a family from its root: the root first, then the others by id; those that have the flag
 * already are skipped. One that is busy refuses for all.
 */
export async function setArchived(bundle: Bundle, input: SetArchived): Promise<void> {
  const { root_chat_id } = bundle.flags;
  if (root_chat_id !== bundle.chatId) throw new NotFamilyRoot(root_chat_id);
  await setOne(bundle, input);
  for (const relative of await lockFamily(bundle.tx, root_chat_id)) {
    if (relative.archived === input.archived) continue;
    await bundle.transaction.update(relative.id, (one) => setOne(one, input));
  }
}

import { TransitionRejected } from "../../domain/errors.ts";
import type { MessageRow, NewMessage } from "../../domain/rows.ts";
import { transition } from "../transition.ts";

export interface CreateChat {
  /** At least one, the last of them the user's. */
  readonly messages: readonly NewMessage[];
}

/** The first bundle of a chat that `Machine.create` makes, with status `running`. Gives the messages inserted. */
export const createChat = transition<CreateChat, MessageRow[]>(
  "createChat",
  async (bundle, { messages }) => {
    const rows = await Promise.all(messages.map((message) => bundle.insert(message)));
    const turn = rows.findLast((row) => row.role === "user");
    if (turn === undefined) {
      throw new TransitionRejected("createChat", "N", "a chat begins with a user's message");
    }
    bundle.plan({ turn_message_id: turn.id });
    return rows;
  },
);

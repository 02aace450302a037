import { TransitionRejected } from "../../domain/errors.ts";
import { setDeadlines } from "../../store/executions.ts";
import { transition } from "../transition.ts";

/** The chat waits for a client's results or for decisions, each until its own deadline. */
export const enterRequiresAction = transition<void, void>("enterRequiresAction", async (bundle) => {
  const { chatId, state } = bundle;
  await setDeadlines(bundle.tx, chatId);
  const { requires_action_deadline_at } = await bundle.set({
    status: "requires_action",
    requires_action_deadline_at: "earliest",
  });
  if (requires_action_deadline_at === null) {
    throw new TransitionRejected(
      "enterRequiresAction",
      state,
      "nothing waits for a client or a decision",
    );
  }
});

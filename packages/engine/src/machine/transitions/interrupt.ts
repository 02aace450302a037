import { transition } from "../transition.ts";

export interface Interrupt {
  /** Keep the queue back: the chat is paused when it has stopped. */
  readonly hold: boolean;
}

/** Stop: no model call follows. What was said is kept by `finishInterruption`, which also closes the open calls. */
export const interrupt = transition<Interrupt, void>(
  "interrupt",
  async (bundle, { hold }) =>
    void (await bundle.set({ status: "interrupting", hold, requires_action_deadline_at: null })),
  { variantOf: ({ hold }) => (hold ? "hold" : undefined) },
);

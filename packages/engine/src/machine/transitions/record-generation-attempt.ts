import { transition } from "../transition.ts";

/** Names a new episode, before every step. Gives its attempt. */
export const recordGenerationAttempt = transition<void, number>(
  "recordGenerationAttempt",
  async (bundle) => (await bundle.set({ generation_attempt: "next" })).generation_attempt,
);

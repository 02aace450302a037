import { NothingToRetry } from "../../domain/errors.ts";
import { nextStep } from "../../domain/next-step.ts";
import { readTrackedCalls } from "../../store/executions.ts";
import { readContextEnd } from "../../store/messages.ts";
import { transition } from "../transition.ts";

/** Runs a failed turn again on unchanged history. */
export const retryTurn = transition<void, void>("retryTurn", async (bundle) => {
  const { tx, chatId } = bundle;
  const [{ last }, calls] = await Promise.all([
    readContextEnd(tx, chatId),
    readTrackedCalls(tx, chatId),
  ]);
  const messages = last === null ? [] : [last];
  const step = nextStep({ messages, calls, steering: false, compaction: false });
  if (step === "finish") throw new NothingToRetry();
  await bundle.set({ status: "running", last_error: null, history_version: bundle.snapshot });
});

import type { BudgetRefusal } from "@parley/protocol";
import { isRefusal } from "../../domain/spending.ts";
import type { Bundle } from "../../machine/bundle.ts";
import { recordGenerationAttempt } from "../../machine/transitions/record-generation-attempt.ts";
import { wishFor } from "./estimate.ts";
import type { Spending } from "./options.ts";

export interface ReservedCall {
  readonly refusal: null;
  /** No longer reply is paid for; null: no budget holds the call. */
  readonly outputTokensMax: number | null;
}

export interface RefusedCall {
  readonly refusal: BudgetRefusal;
  readonly model: string;
}

/** Records the attempt of a model call, and reserves in the same statement what the call may cost at most. */
export async function reserveCall(
  bundle: Bundle,
  spending: Spending,
  model: string,
  promptTokens: number,
  outputTokensMax: number,
): Promise<ReservedCall | RefusedCall> {
  const wish = wishFor(spending, model, promptTokens, outputTokensMax);
  const { spend } = await recordGenerationAttempt(bundle, wish);
  if (isRefusal(spend)) return { refusal: spend, model };
  return { refusal: null, outputTokensMax: spend === null ? null : outputTokensMax };
}

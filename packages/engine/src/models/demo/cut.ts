import type { DemoPlan } from "./plan.ts";

/** What is left of a reply that may have so many characters; null: all of it fits. A call is whole or not made. */
export function cutPlan(plan: DemoPlan, charsMax: number): DemoPlan | null {
  const reasoning = plan.reasoning.slice(0, charsMax);
  const text = plan.text.slice(0, charsMax - reasoning.length);
  let left = charsMax - reasoning.length - text.length;
  const calls = plan.calls.filter(({ input }) => (left -= input.length) >= 0);
  const isWhole =
    reasoning.length === plan.reasoning.length &&
    text.length === plan.text.length &&
    calls.length === plan.calls.length;
  return isWhole ? null : { ...plan, reasoning, text, calls };
}

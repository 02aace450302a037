import type { Recorded } from "../../machine/recorded.ts";

type Item = { readonly tool_call_id: string };

/**
 * Those of the submitted results or decisions that are not recorded yet. Clients repeat what they are not sure of,
 * alone or together with more.
 *
 * @throws what `mismatch` makes, where something else than submitted is recorded.
 */
export async function newOnes<T extends Item>(
  items: readonly T[],
  recorded: (items: readonly T[]) => Promise<Recorded>,
  mismatch: (toolCallIds: readonly string[]) => Error,
): Promise<T[]> {
  const verdicts = await Promise.all(items.map((item) => recorded([item])));
  const differing = items.filter((_, i) => verdicts[i] === "differs");
  if (differing.length > 0) throw mismatch(differing.map((item) => item.tool_call_id));
  return items.filter((_, i) => verdicts[i] !== "same");
}

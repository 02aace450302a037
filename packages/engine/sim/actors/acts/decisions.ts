import type { Client } from "@parley/client";
import type { Act, Doing } from "./act.ts";

/** Answers to what waits for people, by how often. */
export const decisionWeights = {
  approve: 12,
  answer: 12,
  decide_against: 3,
} as const;

export const decisionActs: Readonly<Record<keyof typeof decisionWeights, Act>> = {
  approve: async (it) => {
    const calls = callsOf(it, "approval");
    if (calls.length === 0) return null;
    const decision = it.rng.chance(0.75) ? "approve" : "deny";
    const some = it.rng.chance(0.5) ? calls : calls.slice(0, 1);
    await it.client.decideApprovals(
      it.chatId,
      some.map((tool_call_id) => ({ tool_call_id, decision })),
    );
    return `${decision} ${some.length}`;
  },
  answer: async (it) => {
    const [call] = callsOf(it, "client_tool");
    if (call === undefined) return null;
    await answer(it.client, it.chatId, call, it.rng.int(0, 9));
    return "answered";
  },
  /** The same question on two devices at once, with different answers: one of them counts. */
  decide_against: async (it) => {
    const { rng, client, other, chatId } = it;
    const [approval] = callsOf(it, "approval");
    const [call] = callsOf(it, "client_tool");
    const doings =
      approval === undefined
        ? call === undefined
          ? null
          : [client, other.client].map(async (who, n) => await answer(who, chatId, call, n))
        : [client, other.client].map(async (who, n) => {
            const decision = n === 0 ? ("approve" as const) : ("deny" as const);
            await who.decideApprovals(chatId, [{ tool_call_id: approval, decision }]);
          });
    if (doings === null) return null;
    const ends = await Promise.allSettled(rng.chance(0.5) ? doings : doings.toReversed());
    const refused = ends.filter((end) => end.status === "rejected");
    for (const { reason } of refused) it.failed(reason);
    return `${ends.length - refused.length} of ${ends.length} took effect`;
  },
};

async function answer(client: Client, chatId: string, call: string, n: number): Promise<void> {
  await client.submitToolResults(chatId, [{ tool_call_id: call, output: { n } }]);
}

/** What waits, in an order of chance. */
function callsOf({ seen, rng }: Doing, kind: "approval" | "client_tool"): string[] {
  const waiting = seen?.actions?.actions.filter((action) => action.kind === kind) ?? [];
  const ids = waiting.map(({ tool_call_id }) => tool_call_id);
  const from = ids.length === 0 ? 0 : rng.int(0, ids.length - 1);
  return [...ids.slice(from), ...ids.slice(0, from)];
}

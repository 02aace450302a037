import type { Client } from "@parley/client";
import { contentOf, placeOf, type Act, type Doing } from "./act.ts";

/** What impatient people do, and those with two devices, by how often. */
export const contraryWeights = {
  twins: 3,
  burst: 3,
  repeat: 3,
  repeat_altered: 2,
  send_and_delete: 0.5,
} as const;

type Deed = (client: Client) => Promise<unknown>;

export const contraryActs: Readonly<Record<keyof typeof contraryWeights, Act>> = {
  /** Two devices of one person press contradicting things at once. */
  twins: async (it) => {
    const { client, other, rng } = it;
    const one = rng.pick(deedsOf(it));
    const two = rng.pick(deedsOf(it));
    return await atOnce(it, [async () => await one(client), async () => await two(other.client)]);
  },
  burst: async (it) => {
    const sends = Array.from({ length: it.rng.int(3, 6) }, () => {
      const send = sendOf(it);
      return async () => await send(it.client);
    });
    return await atOnce(it, sends);
  },
  /** The same call by the same name on two ways at once, and later once more: it is one message. */
  repeat: async (it) => {
    const { client, other, chatId, told } = it;
    const client_id = it.next();
    const body = { content: contentOf(client_id, it.rng), client_id };
    const again = async (who: Client): Promise<void> => {
      const answer = await who.sendMessage(chatId, body);
      told.acknowledged(client_id);
      told.repeated(client_id, placeOf(answer), true);
    };
    const said = await atOnce(it, [
      async () => await again(client),
      async () => await again(other.client),
    ]);
    await again(client);
    return said;
  },
  /** Another message by a name that was used: refused, wherever it is asked. */
  repeat_altered: async (it) => {
    const { client, other, chatId, told } = it;
    const client_id = it.next();
    await client.sendMessage(chatId, { content: `${client_id} says`, client_id });
    told.acknowledged(client_id);
    const altered = await other.client.sendMessage(chatId, {
      content: `${client_id} says something else`,
      client_id,
    });
    told.repeated(client_id, placeOf(altered), false);
    return "was let through";
  },
  send_and_delete: async (it) => {
    const send = sendOf(it);
    return await atOnce(it, [
      async () => await send(it.client),
      async () => await it.other.client.deleteChat(it.chatId),
    ]);
  },
};

function deedsOf(it: Doing): Deed[] {
  const { chatId, rng, seen } = it;
  const own = seen?.messages.filter(({ role }) => role === "user") ?? [];
  return [
    sendOf(it),
    sendOf(it, "interrupt"),
    async (client) => await client.interrupt(chatId),
    async (client) => await client.interrupt(chatId, { hold: true }),
    async (client) => await client.retry(chatId),
    async (client) => await client.compact(chatId),
    async (client) => await client.patchChat(chatId, { archived: rng.chance(0.3) }),
    async (client) => {
      const target = own.at(-1);
      const client_id = it.next();
      if (target === undefined) return;
      await client.editMessage(chatId, target.id, { content: `${client_id} says`, client_id });
    },
  ];
}

function sendOf(it: Doing, when_busy: "queue" | "steer" | "interrupt" = "queue"): Deed {
  const client_id = it.next();
  const body = { content: contentOf(client_id, it.rng), when_busy, client_id };
  return async (client) => {
    await client.sendMessage(it.chatId, body);
    it.told.acknowledged(client_id);
  };
}

/** All together; what each comes to is looked at as if it had been done alone. */
async function atOnce(it: Doing, deeds: readonly (() => Promise<unknown>)[]): Promise<string> {
  const ends = await Promise.allSettled(deeds.map(async (deed) => await deed()));
  const refused = ends.filter((end) => end.status === "rejected");
  for (const { reason } of refused) it.failed(reason);
  return `${ends.length - refused.length} of ${ends.length} took effect`;
}

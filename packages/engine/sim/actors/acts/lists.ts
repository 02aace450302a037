import type { Act } from "./act.ts";

/** What people do to the list of their chats, by how often. */
export const listWeights = {
  archive: 3,
  patch: 3,
  label: 3,
  pin: 2,
  search: 2,
} as const;

export const listActs: Readonly<Record<keyof typeof listWeights, Act>> = {
  archive: async ({ client, chatId, rng }) =>
    String((await client.patchChat(chatId, { archived: rng.chance(0.4) })).archived),
  patch: async ({ client, chatId, rng }) =>
    String((await client.patchChat(chatId, { title: `title ${rng.int(0, 99)}` })).title),
  label: async ({ client, chatId, rng }) => {
    const labels = Object.fromEntries(
      ["team", "topic", "urgent"]
        .filter(() => rng.chance(0.5))
        .map((name) => [name, String(rng.int(0, 3))]),
    );
    return JSON.stringify((await client.patchChat(chatId, { labels })).labels);
  },
  pin: async ({ client, chatId, rng }) =>
    String((await client.patchChat(chatId, { pinned: rng.chance(0.5) })).pinned),
  search: async ({ client, chatId, rng }) => {
    const { chats } = await client.listChats({ limit: rng.int(1, 5) });
    return `${chats.length} of them${chats.some(({ id }) => id === chatId) ? "" : ", without it"}`;
  },
};

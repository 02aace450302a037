import { contentOf, type Act, type Doing } from "./act.ts";

/** What people do to turns, queue and history, by how often. */
export const turnWeights = {
  edit: 5,
  edit_queued: 4,
  move_queued: 3,
  promote: 3,
  delete_queued: 3,
  interrupt: 8,
  hold: 2,
  retry: 6,
  fork: 2,
  compact: 3,
  clear: 2,
  delete: 1,
  read: 4,
} as const;

export const turnActs: Readonly<Record<keyof typeof turnWeights, Act>> = {
  edit: async ({ client, chatId, seen, rng, next }) => {
    const own = seen?.messages.filter(({ role }) => role === "user") ?? [];
    if (own.length === 0) return null;
    const content = contentOf(next(), rng);
    const body = { content, client_id: next(), keep_queue: rng.chance(0.5) };
    await client.editMessage(chatId, rng.pick(own).id, body);
    return "edited";
  },
  edit_queued: async (it) => {
    const queued = queuedOf(it);
    if (queued === null) return null;
    const content = contentOf(it.next(), it.rng);
    await it.client.editQueued(it.chatId, queued, { content });
    return "edited in the queue";
  },
  move_queued: async (it) => {
    const queued = queuedOf(it);
    if (queued === null) return null;
    const { rng } = it;
    await it.client.editQueued(it.chatId, queued, {
      position: rng.int(0, 3),
      ...(rng.chance(0.5) ? { when_busy: rng.pick(["queue", "steer"] as const) } : {}),
    });
    return "moved";
  },
  promote: async (it) => {
    const queued = queuedOf(it);
    if (queued === null) return null;
    await it.client.promoteQueued(it.chatId, queued);
    return "promoted";
  },
  delete_queued: async (it) => {
    const queued = queuedOf(it);
    if (queued === null) return null;
    await it.client.deleteQueued(it.chatId, queued);
    return `deleted ${queued}`;
  },
  interrupt: async ({ client, chatId, rng }) =>
    (await client.interrupt(chatId, { wait: rng.chance(0.3) })).pending ? "later" : "done",
  hold: async ({ client, chatId }) =>
    (await client.interrupt(chatId, { hold: true })).pending ? "later" : "done",
  retry: async ({ client, chatId }) => (await client.retry(chatId)).status,
  fork: async ({ client, chatId }) => (await client.forkChat(chatId)).id,
  compact: async ({ client, chatId }) => (await client.compact(chatId)).status,
  clear: async ({ client, chatId }) => String((await client.clear(chatId)).messages.length),
  delete: async ({ client, chatId }) => {
    await client.deleteChat(chatId);
    return "deleted";
  },
  read: async ({ client, chatId }) => String((await client.listMessages(chatId)).messages.length),
};

function queuedOf({ seen, rng }: Doing): number | null {
  return seen === undefined || seen.queue.length === 0 ? null : rng.pick(seen.queue).id;
}

import { afterAll, beforeAll, expect, test } from "vitest";
import { newChat } from "../../test/chat-in-state.ts";
import { eventually } from "../../test/eventually.ts";
import { createWorld, type World } from "../../test/world.ts";
import type { ChatRow } from "../domain/rows.ts";
import type { NewChat } from "../store/chats.ts";
import type { Transaction } from "./transaction.ts";
import { createChat } from "./transitions/create-chat.ts";
import { deleteChat } from "./transitions/delete-chat.ts";
import { interrupt } from "./transitions/interrupt.ts";
import { sendMessage } from "./transitions/send-message.ts";

/** What is done to a chat reaches everything below it, whatever is started there at the same moment. */

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(async () => await world.drop());

const start = async (transaction: Transaction, chat: NewChat): Promise<void> => {
  await transaction.create(chat, async (bundle) => {
    await createChat(bundle, { messages: [{ role: "user", parts: [] }] });
  });
};

const below = (parent: NewChat): NewChat =>
  newChat(world, { parent_chat_id: parent.id, root_chat_id: parent.root_chat_id });

async function parentAndChild(): Promise<[NewChat, NewChat]> {
  const parent = newChat(world);
  const child = below(parent);
  await world.machine.transaction(async (transaction) => {
    await start(transaction, parent);
    await start(transaction, child);
  });
  return [parent, child];
}

async function statuses(...chats: NewChat[]): Promise<(string | undefined)[]> {
  const rows = await world.sql<ChatRow>(`select * from parley.chats where id = any ($1::uuid[])`, [
    chats.map(({ id }) => id),
  ]);
  return chats.map(({ id }) => rows.find((row) => row.id === id)?.status);
}

/** Does something to the parent while its child, locked, starts one more; that is committed once the other waits. */
async function whileStarting(
  child: NewChat,
  grandchild: NewChat,
  what: () => Promise<unknown>,
): Promise<void> {
  const locked = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  const starting = world.machine.lock(child.id, async (_chat, transaction) => {
    await start(transaction, grandchild);
    locked.resolve();
    await done.promise;
  });
  await locked.promise;
  const other = what();
  await eventually("the other waits for the lock", async () => {
    const waiting = await world.sql(`select 1 from pg_locks where not granted`);
    return waiting.length > 0;
  });
  done.resolve();
  await Promise.all([starting, other]);
}

test("a stop reaches what is started while it waits for its parent's lock", async () => {
  const [parent, child] = await parentAndChild();
  const grandchild = below(child);
  await whileStarting(child, grandchild, () =>
    world.machine.update(parent.id, (bundle) => interrupt(bundle, { hold: false })),
  );
  expect(await statuses(parent, child, grandchild)).toEqual(Array(3).fill("interrupting"));
});

test("a deletion reaches it too", async () => {
  const [parent, child] = await parentAndChild();
  const grandchild = below(child);
  await whileStarting(child, grandchild, () => world.machine.update(parent.id, deleteChat));
  expect(await statuses(parent, child, grandchild)).toEqual(Array(3).fill(undefined));
  const stones = await world.sql(
    `select 1 from parley.chat_tombstones where chat_id = any ($1::uuid[])`,
    [[parent.id, child.id, grandchild.id]],
  );
  expect(stones).toHaveLength(3);
});

test("one bundle for each, published together; those above and beside are left alone", async () => {
  const [parent, child] = await parentAndChild();
  const [grandchild, sibling] = [below(child), below(parent)];
  await world.machine.transaction(async (transaction) => {
    await start(transaction, grandchild);
    await start(transaction, sibling);
  });
  world.published();
  await world.machine.update(child.id, (bundle) =>
    sendMessage(bundle, {
      message: {
        parts: [],
        model: null,
        reasoning_effort: null,
        client_id: null,
        created_by: null,
      },
      when_busy: "interrupt",
      queueMessagesMax: 5,
    }),
  );
  expect(await statuses(parent, child, grandchild, sibling)).toEqual([
    "running",
    "interrupting",
    "interrupting",
    "running",
  ]);
  const published = world
    .published()
    .map(({ chat }) => [chat.id, chat.hold, chat.snapshot_version]);
  expect(published).toEqual([
    [grandchild.id, true, 2],
    [child.id, false, 2],
  ]);
  // Again changes nothing below: it is being stopped for good.
  await world.machine.update(parent.id, (bundle) => interrupt(bundle, { hold: false }));
  expect(world.published().map(({ chat }) => chat.id)).toEqual(
    expect.not.arrayContaining([grandchild.id]),
  );
});

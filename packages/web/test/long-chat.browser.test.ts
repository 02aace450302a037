import { afterAll, beforeAll, expect, test } from "vitest";
import { Conversation } from "./conversation.ts";
import { startSharedDatabase, type SharedDatabase } from "./database.ts";
import { useRig } from "./rig.ts";

const turns = 2_500;

/** A page of older messages comes within this, on the busiest machine. */
const waits = { timeout: 60_000 };

let starting: Promise<SharedDatabase> | undefined;
const shared = (): Promise<SharedDatabase> => (starting ??= startSharedDatabase());
const rig = useRig({ env: async () => ({ PARLEY_DATABASE_URL: (await shared()).url }) });
beforeAll(shared);
afterAll(async () => await (await shared()).stop());

test(`a chat of ${turns * 2} messages opens at its end and scrolls to its beginning`, async () => {
  const { chat: made } = await rig.client.createChat({
    content: "the very first",
    model: "demo/fast",
  });
  const opened = new Conversation(await rig.page({ path: `/chats/${made.id}` }));
  await opened.settled();
  await opened.page.close();
  const database = await shared();
  await database.query(
    `with chat as (
       update parley.chats set snapshot_version = snapshot_version + 1 where id = $1 returning id
     )
     insert into parley.chat_messages (chat_id, role, parts, finish_reason)
     select chat.id, role,
       jsonb_build_array(jsonb_build_object('type', 'text', 'text',
         format(E'%s number %s.\\n\\n%s', role, n, repeat('Some words to fill a line or two. ', n % 9)))),
       case role when 'assistant' then 'stop' end
     from chat, generate_series(2, $2::int) as n, unnest(array['user', 'assistant']) as role`,
    [made.id, turns],
  );
  const chat = new Conversation(await rig.page({ path: `/chats/${made.id}` }));
  await chat.sees(`assistant number ${turns}.`);
  const inPage = (): Promise<number> =>
    chat.page.evaluate(() => document.querySelectorAll("[role=log] [data-message]").length);
  expect(await inPage()).toBeLessThan(60);

  // A page of older messages is added above without what is read moving away.
  const log = chat.log;
  const first = log.getByText("the very first", { exact: true }).first();
  const height = (): Promise<number> => log.evaluate((element) => element.scrollHeight);
  // A page's height also changes as it is measured: so there are more rounds than pages.
  for (let n = 0; n < turns / 10 && !(await first.isVisible()); n++) {
    const oldest = await log.evaluate((element) => {
      element.scrollTop = 0;
      return element.scrollHeight;
    });
    await expect
      .poll(async () => (await first.isVisible()) || (await height()) > oldest, waits)
      .toBe(true);
  }
  await chat.sees("the very first");
  expect(await inPage()).toBeLessThan(60);
  await chat.page.getByRole("button", { name: "To the end" }).click();
  await chat.sees(`assistant number ${turns}.`);

  // And it is still a chat.
  await chat.say("still there?");
  await chat.sees(/number \d+ of this chat/);
});

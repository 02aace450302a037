import { expect, test } from "vitest";
import { Conversation } from "./conversation.ts";
import { useRig } from "./rig.ts";

const rig = useRig();

/** Rounds of messages that are sent together and answered one after the other. */
const rounds = 4;
const sentTogether = 8;

test("the view follows what is written, also when messages come several at a time, until somebody scrolls up", async () => {
  const { chat } = await rig.client.createChat({ content: "hello", model: "demo/fast" });
  const view = new Conversation(await rig.page({ path: `/chats/${chat.id}` }));
  await view.settled();
  const { log, page } = view;
  const fromEnd = (): Promise<number> =>
    log.evaluate((element) => element.scrollHeight - element.clientHeight - element.scrollTop);
  const say = async (round: number): Promise<void> => {
    const all = Array.from({ length: sentTogether }, async (_, n) => {
      await rig.client.sendMessage(chat.id, { content: `question ${round}-${n}` });
    });
    await Promise.all(all);
  };
  const isAnswered = async (): Promise<boolean> => {
    const { status } = await rig.client.getChat(chat.id);
    const { queue } = await rig.client.listMessages(chat.id, { limit: 1 });
    return status === "waiting" && queue.length === 0;
  };
  for (let round = 1; round <= rounds; round++) {
    // oxlint-disable-next-line no-await-in-loop -- one round after the other
    await say(round);
    // oxlint-disable-next-line no-await-in-loop
    await expect.poll(isAnswered, { timeout: 60_000 }).toBe(true);
    // oxlint-disable-next-line no-await-in-loop
    await expect.poll(fromEnd, { timeout: 60_000 }).toBeLessThan(2);
  }
  await log.hover();
  const toEnd = page.getByRole("button", { name: "To the end" });
  // A page that is busy may lose a turn of the wheel.
  const scrolledUp = async (): Promise<boolean> => {
    await page.mouse.wheel(0, -800);
    return await toEnd.isVisible();
  };
  await expect.poll(scrolledUp, { timeout: 60_000 }).toBe(true);
  let readAt = -1;
  const isStill = async (): Promise<boolean> => {
    const before = readAt;
    readAt = await log.evaluate((element) => element.scrollTop);
    return readAt === before;
  };
  await expect.poll(isStill, { timeout: 60_000 }).toBe(true);
  await say(rounds + 1);
  await expect.poll(isAnswered, { timeout: 60_000 }).toBe(true);
  await view.settled();
  expect(await log.evaluate((element) => element.scrollTop)).toBe(readAt);
  await toEnd.click();
  await expect.poll(fromEnd, { timeout: 60_000 }).toBeLessThan(2);
});

import { expect, test } from "vitest";
import { createEngines, type RunningEngine } from "./engines.ts";
import { settled } from "./follow.ts";
import { expectEqualToDatabase, onlooker, type Onlooker } from "./onlooker.ts";
import { print } from "./storm/figures.ts";

/** What streams cost the database, per turn: nothing where the chat is driven, one read per commit elsewhere. */

const turns = 10;

test("reads of streams per turn: same replica, remote replica with 1 and with 50 subscribers", async ({
  onTestFinished,
}) => {
  const engines = await createEngines();
  onTestFinished(async () => await engines.close());
  const [owner, one, many] = [await engines.start(), await engines.start(), await engines.start()];
  const { chat } = await owner.client.createChat({ content: "Go.", model: "test/model" });
  const watch = ({ client }: RunningEngine, n: number): Onlooker[] =>
    Array.from({ length: n }, () => onlooker(client, chat.id));
  const screens = [...watch(owner, 3), ...watch(one, 1), ...watch(many, 50)];
  onTestFinished(async () => void (await Promise.all(screens.map((screen) => screen.close()))));
  const allHave = async (messages: number): Promise<void> => {
    for (const screen of screens) {
      // oxlint-disable-next-line no-await-in-loop
      await screen.until("the turn", (t) => settled(t) && t.messages.length === messages);
    }
  };
  await allHave(2);

  const engineOf = { "same replica, 3 subscribers": owner, "remote, 1": one, "remote, 50": many };
  const before = Object.values(engineOf).map(({ replica }) => replica.database.stats.snapshot());
  const [row] = await snapshotOf(owner, chat.id);
  for (let turn = 1; turn <= turns; turn++) {
    // oxlint-disable-next-line no-await-in-loop
    await owner.client.sendMessage(chat.id, { content: "Again." });
    // oxlint-disable-next-line no-await-in-loop
    await allHave(2 + 2 * turn);
  }
  const [after] = await snapshotOf(owner, chat.id);
  const commits = ((after?.snapshot_version ?? 0) - (row?.snapshot_version ?? 0)) / turns;
  const reads = Object.entries(engineOf).map(([name, { replica }], i) => {
    const { operations } = replica.database.stats.since(before[i]!);
    return [name, (operations["stream.sync"]?.reads ?? 0) / turns] as const;
  });
  print(`reads of streams per turn of ${commits} commits`, Object.fromEntries(reads));
  const [same, remoteOne, remoteMany] = reads.map(([, n]) => n);
  expect(same).toBe(0);
  expect(remoteOne).toBeLessThanOrEqual(commits);
  expect(remoteMany).toBeLessThanOrEqual(commits);
  for (const screen of screens) {
    // oxlint-disable-next-line no-await-in-loop
    await expectEqualToDatabase(owner.client, chat.id, screen);
  }
});

async function snapshotOf(
  { replica }: RunningEngine,
  id: string,
): Promise<{ snapshot_version: number }[]> {
  return await replica.database.one<{ snapshot_version: number }>(
    {
      name: "test:snapshot",
      text: "select snapshot_version from parley.chats where id = $1",
      values: [id],
    },
    { operation: "test" },
  );
}

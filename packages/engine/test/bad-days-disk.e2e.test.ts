import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { expect, test, type TestContext } from "vitest";
import { eventually } from "./eventually.ts";
import { previewText, settled } from "./follow.ts";
import {
  expectEqualToDatabase,
  expectSoundStream,
  onlooker,
  textOf,
  type Onlooker,
} from "./onlooker.ts";
import { gate, textScript } from "./provider-server.ts";
import { rigOf, type Rig } from "./rig.ts";
import { smallDisk, type SmallDisk } from "./small-disk.ts";

/** The embedded database's disk is full, in the middle of a reply, and then it is not any more. */

const wire = "anthropic";
const model = "anthropic/scripted";

/** Too much for the pages that there are already, and nothing that compresses. */
const long = (): string => randomBytes(150_000).toString("base64");

interface FullDisk {
  readonly rig: Rig;
  readonly disk: SmallDisk;
  readonly chatId: string;
  readonly screen: Onlooker;
  readonly said: string;
  /** Lets the rest of the reply come. */
  readonly finish: () => void;
}

async function midReply(context: TestContext): Promise<FullDisk> {
  const disk = await smallDisk(128);
  if (disk === null) {
    const why =
      "no disk can be mounted by this account: what happens when it is full was NOT tested";
    if (process.env["CI"] === "true") throw new Error(`${why}. Run the tests as root.`);
    return context.skip(why);
  }
  // The last to be registered is the first to be done: room, then the end of everything on the disk, then the disk.
  context.onTestFinished(async () => await disk.remove());
  const rig = await rigOf(context, { embedded: join(disk.path, "data") });
  context.onTestFinished(async () => await disk.free());
  const rest = gate();
  const pieces = ["It begins, ", long()];
  rig.provider.enqueue(wire, textScript(wire, pieces, { 1: rest.promise }));
  const { chat } = await rig.client.createChat({ content: "Go.", model });
  const screen = onlooker(rig.client, chat.id);
  context.onTestFinished(async () => await screen.close());
  await screen.until("the reply has begun", (t) => previewText(t) === pieces[0]);
  return { rig, disk, chatId: chat.id, screen, said: pieces.join(""), finish: rest.open };
}

async function expectRecovered({ rig, chatId, screen, said }: FullDisk): Promise<void> {
  await screen.until("the reply is whole", settled);
  const messages = await expectEqualToDatabase(rig.client, chatId, screen);
  expect(messages.map(textOf)).toEqual(["Go.", said]);
  expectSoundStream(screen.events);
  expect(rig.provider.requests).toHaveLength(1);
  await rig.client.sendMessage(chatId, { content: long() });
  await screen.until("the next turn is over", (t) => settled(t) && t.messages.length === 4);
  await expectEqualToDatabase(rig.client, chatId, screen);
}

/** What is said of a server that has crashed, by itself while it goes and recovers, and by those who have lost it. */
const databaseLost =
  /crash of another server process|in recovery mode|starting up|shutting down|not (yet )?accepting connections|lost a database connection|Connection terminated|ECONNREFUSED|ENOENT/;

async function refused({ rig, chatId }: FullDisk): Promise<void> {
  const { url, token } = rig.server;
  const answer = await fetch(`${url}/api/v1/chats/${chatId}/messages`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ content: long() }),
  });
  expect(await answer.json()).toMatchObject({ status: 503, code: "database_unavailable" });
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
}

test("a full disk: what does not fit is refused or waits, and goes on when there is room", async (context) => {
  const full = await midReply(context);
  const { rig, disk, screen, said, finish } = full;
  await disk.fill();
  await refused(full);
  const before = rig.server.output().length;
  finish();
  await screen.until("all of the reply is on the screen", (t) => previewText(t) === said);
  await eventually("its commit has failed", () => {
    const told = rig.server.output().slice(before);
    // Where it is the log that is to grow, PostgreSQL does not refuse a statement: it stops.
    return /No space left on device/.test(told) || databaseLost.test(told);
  });
  expect(screen.transcript.status?.status).toBe("running");
  await disk.free();
  await expectRecovered(full);
});

test("a disk so full that PostgreSQL stops: it is started again, and the reply ends well", async (context) => {
  const full = await midReply(context);
  const { rig, disk, screen, said, finish } = full;
  const before = await rig.postmaster();
  await disk.fill();
  // The next segment of its log cannot be made: it panics.
  await rig.sql(`select pg_switch_wal()`).catch(() => {});
  await rig.sql(`update parley.workers set version = version || '.'`).catch(() => {});
  await eventually(
    "PostgreSQL has crashed",
    async () => (await fetch(`${rig.server.url}/readyz`)).status === 503,
  );
  await refused(full);
  finish();
  await screen.until("all of the reply is on the screen", (t) => previewText(t) === said);
  // Without room it cannot recover either, and ends.
  await eventually("it is gone", async () => (await rig.postmaster())?.pid !== before?.pid);
  await disk.free();
  await expectRecovered(full);
});

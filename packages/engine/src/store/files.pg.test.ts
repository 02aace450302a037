import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../../test/eventually.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import type { WriteTx } from "../postgres/sql.ts";
import { createFileStore } from "./file-bytes.ts";
import { beginUpload, deleteFile, endUpload, lockFiles, readFile, sweepFiles } from "./files.ts";

let db: TestDatabase;
const owner = randomUUID();
beforeAll(async () => {
  db = await createTestDatabase();
  await db.database.write((tx) =>
    tx.exec(`insert into parley.principals (id, name) values ('${owner}', 'somebody')`),
  );
});
afterAll(async () => await db?.drop());

const sha256 = new Uint8Array(32);

/** An uploaded file of one byte whose time is over already. */
async function dueFile(): Promise<string> {
  const id = randomUUID();
  const upload = { id, owner_id: owner, name: "x", bytes_reserved: 1 };
  expect(await db.database.write((tx) => beginUpload(tx, upload, 0))).toBe(true);
  await createFileStore(db.database).append(id, 0, new Uint8Array([1]));
  const ended = { id, media_type: "text/plain", size_bytes: 1, sha256, age_ms: null };
  await db.database.write((tx) => endUpload(tx, { ...ended, unused_ms: 60_000 }));
  await db.database.write((tx) =>
    tx.exec(`update parley.files set sweep_at = parley.now() - interval '1 s' where id = '${id}'`),
  );
  return id;
}

async function newChat(tx: WriteTx): Promise<string> {
  const id = randomUUID();
  await tx.exec(`insert into parley.chats (id, owner_id, root_chat_id, model, status)
    values ('${id}', '${owner}', '${id}', 'demo/demo', 'waiting')`);
  return id;
}

/** What every path into history comes down to. */
async function refer(tx: WriteTx, chatId: string, fileId: string): Promise<void> {
  await tx.query({
    name: "test.refer",
    text: `insert into parley.chat_messages (chat_id, role, parts) values ($1, 'user',
             jsonb_build_array(jsonb_build_object('type', 'file', 'file_id', $2::text)))`,
    values: [chatId, fileId],
  });
}

const exists = async (fileId: string): Promise<boolean> => {
  const sql = {
    query: async <R>(s: Parameters<WriteTx["query"]>[0]) => await db.database.one<R>(s),
  };
  const row = await readFile(sql, fileId);
  const bytes = await createFileStore(db.database).head(fileId, 10);
  expect(bytes.length === 1).toBe(row !== undefined);
  return row !== undefined;
};
const sweep = async (): Promise<number> => await db.database.write((tx) => sweepFiles(tx, 100));

/** Goes on when the test says so. */
function paused() {
  const reached = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const here = async (): Promise<void> => {
    reached.resolve();
    await goOn.promise;
  };
  return { reached: reached.promise, here, goOn: () => goOn.resolve() };
}

test("a sweep skips a file that is being referred to, and leaves it afterwards", async () => {
  const id = await dueFile();
  const stop = paused();
  const referring = db.database.write(async (tx) => {
    await lockFiles(tx, owner, [id]);
    await refer(tx, await newChat(tx), id);
    await stop.here();
  });
  await stop.reached;
  expect(await sweep()).toBe(0);
  stop.goOn();
  await referring;
  expect(await sweep()).toBe(0);
  expect(await exists(id)).toBe(true);
});

test("a reference waits for a sweep that has begun, and finds the file gone", async () => {
  const id = await dueFile();
  const stop = paused();
  const sweeping = db.database.write(async (tx) => {
    expect(await sweepFiles(tx, 100)).toBe(1);
    await stop.here();
  });
  await stop.reached;
  const locking = db.database.write((tx) => lockFiles(tx, owner, [id]));
  stop.goOn();
  await sweeping;
  expect(await locking).toEqual([]);
});

test("nothing can delete a file that a chat refers to, and deleting it by its owner takes the bytes", async () => {
  const id = await dueFile();
  await db.database.write(async (tx) => await refer(tx, await newChat(tx), id));
  const deleting = db.database.write((tx) =>
    tx.exec(`delete from parley.files where id = '${id}'`),
  );
  await expect(deleting).rejects.toThrow(/chat_files/);
  expect(await db.database.write((tx) => deleteFile(tx, randomUUID(), id))).toBe(false);
  expect(await exists(id)).toBe(true);
  expect(await db.database.write((tx) => deleteFile(tx, owner, id))).toBe(true);
  const bytes = await createFileStore(db.database).head(id, 10);
  expect(bytes).toHaveLength(0);
});

test("two chats that are deleted at the same time release their file", async () => {
  const id = await dueFile();
  const chats = await db.database.write(async (tx) => {
    const both = [await newChat(tx), await newChat(tx)];
    for (const chat of both) await refer(tx, chat, id);
    return both;
  });
  const [first = "", second = ""] = chats;
  const stop = paused();
  const remove = (tx: WriteTx, chat: string) =>
    tx.exec(`delete from parley.chats where id = '${chat}'`);
  const one = db.database.write(async (tx) => {
    await remove(tx, first);
    await stop.here();
  });
  await stop.reached;
  let isOver = false;
  const two = db.database.write((tx) => remove(tx, second)).finally(() => (isOver = true));
  await eventually("the second has looked, or waits for the first", async () => {
    const [row] = await db.database.one<{ waiting: number }>({
      name: "test.waiting",
      text: `select count(*) as waiting from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'`,
    });
    return isOver || row?.waiting === 1;
  });
  stop.goOn();
  await Promise.all([one, two]);
  expect(await sweep()).toBe(1);
  expect(await exists(id)).toBe(false);
});

test("references, deletions and sweeps at once: what is referred to is there, and nothing else stays", async () => {
  const ids = await Promise.all(Array.from({ length: 30 }, () => dueFile()));
  let done = false;
  const referring = ids.map(async (id, n) => {
    const chat = await db.database.write(async (tx) => {
      const [held] = await lockFiles(tx, owner, [id]);
      if (held === undefined) return null;
      const chatId = await newChat(tx);
      await refer(tx, chatId, id);
      return chatId;
    });
    if (chat === null || n % 3 !== 0) return { id, held: chat !== null };
    await db.database.write((tx) => tx.exec(`delete from parley.chats where id = '${chat}'`));
    return { id, held: false };
  });
  // One at a time, and behind the first references in the wait for a connection.
  const sweeping = Array.from({ length: 2 }, async () => {
    // oxlint-disable-next-line no-await-in-loop
    while (!done) await db.database.write((tx) => sweepFiles(tx, 1));
  });
  const outcomes = await Promise.all(referring);
  done = true;
  await Promise.all(sweeping);
  await sweep();
  for (const { id, held } of outcomes) {
    // oxlint-disable-next-line no-await-in-loop
    expect({ id, held: await exists(id) }).toEqual({ id, held });
  }
  expect(outcomes.some(({ held }) => held)).toBe(true);
});

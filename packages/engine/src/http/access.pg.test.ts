import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chatIn } from "../../test/chat-in-state.ts";
import { createWorld, type World } from "../../test/world.ts";
import { ChatNotFound } from "../domain/errors.ts";
import { createDatabase } from "../postgres/database.ts";
import { DatabaseUnavailable } from "../postgres/errors.ts";
import { diff } from "../postgres/stats.ts";
import { ChatAccess } from "./access.ts";
import type { Caller } from "./auth/caller.ts";

/** Who may use which chat, where many ask at once. */

let world: World;
let owner: Caller;
beforeAll(async () => {
  world = await createWorld();
  owner = callerNamed(world.owner);
});
afterAll(async () => await world?.drop());

const stranger = callerNamed(randomUUID());

function callerNamed(principalId: string): Caller {
  return { principalId, principalName: "somebody", isAdmin: false, tokenId: randomUUID() };
}

const chats = async (count: number): Promise<string[]> => {
  const made = Array.from({ length: count }, async () => (await chatIn(world, "W")).id);
  return await Promise.all(made);
};

async function statements(work: () => Promise<unknown>): Promise<number> {
  const { stats } = world.database;
  const before = stats.snapshot();
  await work();
  return diff(before, stats.snapshot()).operations["http.read_chat"]?.statements ?? 0;
}

test("all who ask in one turn of the loop share a statement, and each gets his own answer", async () => {
  const access = new ChatAccess(world.database);
  const [first = "", second = ""] = await chats(2);
  const missing = randomUUID();
  const asked = await statements(async () => {
    const answers = await Promise.allSettled([
      access.read(owner, first),
      access.read(owner, second),
      access.read(owner, first.toUpperCase()),
      access.read(stranger, first),
      access.read(owner, missing),
    ]);
    expect(answers.map((one) => (one.status === "fulfilled" ? one.value.id : one.reason))).toEqual([
      first,
      second,
      first,
      new ChatNotFound(first),
      new ChatNotFound(missing),
    ]);
  });
  expect(asked).toBe(1);
});

test("whoever asks later is answered by a statement of his own, by what is so then", async () => {
  const access = new ChatAccess(world.database);
  const [id = ""] = await chats(1);
  expect((await access.read(owner, id)).title).toBeNull();
  await world.sql("update parley.chats set title = 'Renamed' where id = $1", [id]);
  expect(await statements(() => access.read(owner, id))).toBe(1);
  expect((await access.read(owner, id)).title).toBe("Renamed");
  await world.sql("delete from parley.chats where id = $1", [id]);
  await expect(access.read(owner, id)).rejects.toThrow(ChatNotFound);
});

test("one who asks while a statement is under way does not get its answer", async () => {
  const access = new ChatAccess(world.database);
  const [id = ""] = await chats(1);
  const asked = await statements(async () => {
    const before = access.read(owner, id);
    // By the end of the next turn the statement is on its way, and cannot have been answered to us.
    await new Promise((resolve) => void setImmediate(() => setImmediate(resolve)));
    await Promise.all([before, access.read(owner, id)]);
  });
  expect(asked).toBe(2);
});

test("no statement asks for more chats than its limit", async () => {
  const access = new ChatAccess(world.database);
  const asked = await statements(async () => {
    const ids = Array.from({ length: 250 }, () => randomUUID());
    const answers = await Promise.allSettled(ids.map((id) => access.read(owner, id)));
    for (const [i, answer] of answers.entries()) {
      expect(answer).toMatchObject({ reason: new ChatNotFound(ids[i] ?? "") });
    }
  });
  expect(asked).toBe(3);
});

test("a name that is no chat's at all asks nothing", async () => {
  const access = new ChatAccess(world.database);
  const asked = await statements(async () => {
    await expect(access.read(owner, "nonsense")).rejects.toThrow(ChatNotFound);
  });
  expect(asked).toBe(0);
});

test("where the statement fails, everyone is told, and the next ask anew", async () => {
  const database = createDatabase({ ...world.settings, poolSize: 1 });
  const access = new ChatAccess(database);
  await database.close();
  const answers = await Promise.allSettled([
    access.read(owner, randomUUID()),
    access.read(owner, randomUUID()),
  ]);
  for (const answer of answers) {
    expect(answer).toMatchObject({ reason: expect.any(DatabaseUnavailable) });
  }
  await expect(access.read(owner, randomUUID())).rejects.toThrow(DatabaseUnavailable);
});

import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { WatchEvent } from "@parley/protocol";
import { deleteChat } from "../machine/transitions/delete-chat.ts";
import { StreamWorld, type TestClient } from "../../test/stream-world.ts";
import { encodeWatchCursor } from "./watch-cursor.ts";
import { watchDebounceMs } from "./watch-feed.ts";

let world: StreamWorld;

beforeAll(async () => {
  world = await StreamWorld.create();
});

afterEach(async () => {
  world.handOver = true;
  world.watch.forbid(world.owner);
  await world.sql(`delete from parley.chats; delete from parley.chat_tombstones`);
});

afterAll(async () => await world.drop());

/** The list as a client holds it: versions by chat. */
function listOf(events: readonly WatchEvent[], from: ReadonlyMap<string, string> = new Map()) {
  let list = new Map(from);
  for (const { type, data } of events) {
    if (type === "list_reset") list = new Map();
    else if (type === "chat")
      list.set(data.id, `${data.snapshot_version}/${data.metadata_version}`);
    else if (type === "chat_deleted") list.delete(data.id);
  }
  return list;
}

async function listInDatabase(): Promise<Map<string, string>> {
  const rows = await world.rows<{ id: string; versions: string }>(
    `select id, snapshot_version || '/' || metadata_version as versions from parley.chats where owner_id = $1`,
    [world.owner],
  );
  return new Map(rows.map((row) => [row.id, row.versions]));
}

async function caughtUp(client: TestClient<WatchEvent>): Promise<void> {
  const wanted = await listInDatabase();
  const same = (list: ReadonlyMap<string, string>): boolean =>
    list.size === wanted.size && [...wanted].every(([id, versions]) => list.get(id) === versions);
  await client.until((c) => same(listOf(c.events)));
}

describe("the list", () => {
  it("comes whole at first, then what changes, one read for all commits of a moment", async () => {
    const ids = [await world.running(), await world.running()];
    const client = await (await world.openWatch()).ready();
    expect(client.types()).toEqual(["list_reset", "chat", "chat", "ready"]);
    const other = await (await world.openWatch()).ready();
    const before = world.database.stats.snapshot();
    await world.turn(ids[0] as string, ["a"]);
    await world.machine.transaction(async (tx) => {
      await tx.patch(ids[1] as string, { title: "changed" });
    });
    const third = await world.running();
    await world.clock.advance(watchDebounceMs);
    await caughtUp(client);
    await caughtUp(other);
    expect(world.database.stats.since(before).total.reads).toBe(1);
    await world.update(third, async (bundle) => await deleteChat(bundle));
    await world.clock.advance(watchDebounceMs);
    await client.until((c) => c.types().includes("chat_deleted"));
    await caughtUp(client);
    expect(client.events.every((event) => event.cursor !== undefined)).toBe(true);
  });

  it("resumes from every cursor, and is never told of another's chats", async () => {
    const stranger = randomUUID();
    await world.sql(`insert into parley.principals (id, name) values ('${stranger}', 'stranger')`);
    const client = await (await world.openWatch()).ready();
    const ids: string[] = [];
    for (let i = 0; i < 4; i++) {
      const id = await world.running();
      ids.push(id);
      if (i === 2) await world.update(ids[0] as string, async (bundle) => await deleteChat(bundle));
      await world.turn(id, ["x"]);
      await world.clock.advance(watchDebounceMs);
      await caughtUp(client);
      for (let n = 0; n < client.events.length; n++) {
        const cursor = client.events[n]?.cursor ?? null;
        const again = await (await world.openWatch(cursor)).ready();
        again.subscription?.close();
        const held = listOf(again.events, listOf(client.events.slice(0, n + 1)));
        expect(held, `cursor of event ${n}`).toEqual(await listInDatabase());
      }
    }
    const last = client.events.at(-1)?.cursor ?? null;
    const quiet = await (await world.openWatch(last)).ready();
    // What an older transaction may still have hidden is told again; it is nothing new.
    expect(quiet.types().filter((type) => type !== "chat" && type !== "chat_deleted")).toEqual([
      "ready",
    ]);
    const known = listOf(client.events);
    expect(listOf(quiet.events, known)).toEqual(known);
    const sink = await world.openWatch(null);
    await expect(
      world.watch.open({ principalId: stranger, cursor: last, sink }),
    ).rejects.toMatchObject({ code: "invalid_cursor" });
  });

  it("is without sub-agents, however busy they are", async () => {
    const parent = await world.running();
    const client = await (await world.openWatch()).ready();
    const child = await world.running();
    await world.sql(
      `update parley.chats set parent_chat_id = '${parent}', root_chat_id = '${parent}' where id = '${child}'`,
    );
    await world.turn(child, ["x"]);
    await world.turn(parent, ["y"]);
    await world.clock.advance(watchDebounceMs);
    const version = (await listInDatabase()).get(parent);
    await client.until((c) => listOf(c.events).get(parent) === version);
    expect([...listOf(client.events).keys()]).toEqual([parent]);
    const fresh = await (await world.openWatch()).ready();
    expect([...listOf(fresh.events).keys()]).toEqual([parent]);
  });

  it("does not skip what was committed late", async () => {
    const [late, early] = [await world.running(), await world.running()];
    const client = await (await world.openWatch()).ready();
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const { promise: written, resolve: hasWritten } = Promise.withResolvers<void>();
    // Takes its transaction id now, and commits after others have come, gone and been told.
    const slow = world.machine.transaction(async (tx) => {
      await tx.patch(late, { title: "late" });
      hasWritten();
      await held;
    });
    await written;
    await world.machine.transaction(async (tx) => {
      await tx.patch(early, { title: "early" });
    });
    await world.clock.advance(watchDebounceMs);
    await caughtUp(client);
    const cursor = client.events.at(-1)?.cursor ?? null;
    const told = client.events.length;
    release();
    await slow;
    const back = await (await world.openWatch(cursor)).ready();
    const held2 = listOf(back.events, listOf(client.events.slice(0, told)));
    expect(held2).toEqual(await listInDatabase());
    await world.clock.advance(watchDebounceMs);
    await caughtUp(client);
    // Told once, although the reads overlap.
    const earlyEvents = client.events.filter((e) => e.type === "chat" && e.data.id === early);
    expect(earlyEvents).toHaveLength(2);
  });

  it("finds by its poll what notifications have lost", async () => {
    const client = await (await world.openWatch()).ready();
    world.watch.start();
    world.handOver = false;
    await world.running();
    const before = world.database.stats.snapshot();
    await world.clock.advance(10_000);
    await world.clock.waitForTimer("watch.poll");
    await world.clock.advance(0);
    await caughtUp(client);
    await world.clock.advance(10_000);
    await world.clock.waitForTimer("watch.poll");
    const { operations } = world.database.stats.since(before);
    expect(operations["watch.poll"]?.singles).toBe(2);
    expect(operations["watch.read"]?.reads).toBeGreaterThan(0);
  });

  it("begins anew for a cursor that is too old, of another timeline, or of the future", async () => {
    const id = await world.running();
    const database = await world.database.identity();
    const now = Date.now();
    const day = 24 * 3_600_000;
    const scope = { ownerId: world.owner, database };
    const otherScope = { ...scope, database: { ...database, timeline: database.timeline + 1 } };
    const cursors = [
      encodeWatchCursor(scope, { xmin: 1n, readAt: now - 7 * day }),
      encodeWatchCursor(otherScope, { xmin: 1n, readAt: now }),
      encodeWatchCursor(scope, { xmin: 2n ** 60n, readAt: now }),
    ];
    for (const cursor of cursors) {
      const client = await (await world.openWatch(cursor)).ready();
      expect(client.types()).toEqual(["list_reset", "chat", "ready"]);
      expect(listOf(client.events).has(id)).toBe(true);
    }
    for (const cursor of ["", "nonsense", "w1.a.b.c.d.e"]) {
      await expect(world.openWatch(cursor)).rejects.toMatchObject({ code: "invalid_cursor" });
    }
  });

  it("begins with the newest of many chats, and anew when too many have changed", async () => {
    await world.sql(
      `insert into parley.chats (id, owner_id, root_chat_id, model, status, last_message_at)
       select id, '${world.owner}', id, 'm', 'waiting', parley.now() + n * interval '1 second'
       from (select gen_random_uuid() as id, n from generate_series(1, 1200) n) c`,
    );
    const client = await (await world.openWatch()).ready();
    expect(client.types().filter((type) => type === "chat")).toHaveLength(200);
    const cursor = client.events.at(-1)?.cursor ?? null;
    await world.sql(`update parley.chats set title = 'all'`);
    world.watch.lookAtAll();
    await world.clock.advance(1_000);
    await client.until((c) => c.types().filter((type) => type === "list_reset").length === 2);
    await client.until((c) => c.types().filter((type) => type === "chat").length === 400);
    expect(client.types().filter((type) => type === "ready")).toHaveLength(1);
    const back = await (await world.openWatch(cursor)).ready();
    expect(back.types()[0]).toBe("list_reset");
  });
});

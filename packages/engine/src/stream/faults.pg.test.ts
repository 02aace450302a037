import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Commit } from "../domain/commit.ts";
import { silentLogger } from "../lib/logger.ts";
import { ManualClock } from "../lib/manual-clock.ts";
import { seededRandom } from "../lib/random.ts";
import { deleteChat } from "../machine/transitions/delete-chat.ts";
import { recordRetryState } from "../machine/transitions/record-retry-state.ts";
import { PartBuffer } from "../parts/part-buffer.ts";
import { createDatabase, type Database } from "../postgres/database.ts";
import type { DatabaseIdentity } from "../postgres/identity.ts";
import { createDatabaseProxy, type DatabaseProxy } from "../../test/database-proxy.ts";
import { createCheckpoints } from "../store/checkpoints.ts";
import {
  delta,
  foldEvents,
  newChatClient,
  StreamWorld,
  text,
  type TestClient,
} from "../../test/stream-world.ts";
import { encodeCursor, nowhere } from "./cursor.ts";
import { outboxEventsMax } from "./outbox.ts";
import { ChatStreams } from "./streams.ts";

let world: StreamWorld;

beforeAll(async () => {
  world = await StreamWorld.create();
});

afterAll(async () => await world.drop());

const reads = (since: ReturnType<Database["stats"]["snapshot"]>): number => {
  const { total } = world.database.stats.since(since);
  return total.reads + total.singles;
};

describe("what another replica commits", () => {
  it("costs one read however many subscribe (C38)", async () => {
    const id = await world.running();
    const clients = [await world.open(id), await world.open(id), await world.open(id)];
    for (const client of clients) await client.ready();
    const before = world.database.stats.snapshot();
    world.handOver = false;
    await world.turn(id, ["there"]);
    world.handOver = true;
    const chat = await world.chat(id);
    const hint = { chat_id: id, unowned: false, ...chat };
    world.streams.hint(hint);
    world.streams.hint(hint);
    for (const client of clients) {
      await client.until((c) => foldEvents(c.events).status?.status === "waiting");
      expect(foldEvents(client.events).messages).toEqual(await world.history(id));
    }
    expect(reads(before)).toBe(1);
    // What is told again costs nothing: a read of it would be under way before this one is answered.
    world.streams.hint(hint);
    await new Promise((resolve) => void setImmediate(() => setImmediate(resolve)));
    await world.database.one({ name: "test.one", text: "select 1" });
    expect(reads(before)).toBe(2);
    for (const client of clients) client.subscription?.close();
  });

  it("is found by the poll when its notification was lost, with one query and one snapshot for all feeds", async () => {
    const ids = [await world.running(), await world.running()];
    const clients: TestClient[] = [];
    for (const id of ids) clients.push(await (await world.open(id)).ready());
    world.streams.start();
    world.handOver = false;
    for (const id of ids) await world.turn(id, ["late"]);
    world.handOver = true;
    const before = world.database.stats.snapshot();
    await world.clock.advance(10_000);
    for (const [i, client] of clients.entries()) {
      await client.until((c) => foldEvents(c.events).status?.status === "waiting");
      expect(foldEvents(client.events).messages).toEqual(await world.history(ids[i] as string));
    }
    const { operations } = world.database.stats.since(before);
    expect(operations["stream.poll"]?.singles).toBe(1);
    expect(operations["stream.sync"]?.reads).toBe(1);
    for (const client of clients) client.subscription?.close();
  });

  it("is not read when the poll sees that nothing shown has changed", async () => {
    const id = await world.running("x", true);
    const client = await (await world.open(id)).ready();
    world.handOver = false;
    await world.update(id, async () => {});
    world.handOver = true;
    const before = world.database.stats.snapshot();
    await world.clock.advance(10_000);
    await world.clock.waitForTimer("stream.poll");
    expect(world.database.stats.since(before).operations).toEqual({
      "stream.poll": expect.objectContaining({ singles: 1 }) as unknown,
    });
    expect(client.types().at(-1)).toBe("ready");
    client.subscription?.close();
  });
});

describe("commits of this replica", () => {
  it("may be handed over in the wrong order", async () => {
    const id = await world.running();
    const client = await (await world.open(id)).ready();
    const commits: Commit[] = [];
    const streams = world.streams as unknown as { committed(commits: readonly Commit[]): void };
    const real = streams.committed.bind(streams);
    streams.committed = (more) => void commits.push(...more);
    try {
      await world.turn(id, ["hi"]);
    } finally {
      streams.committed = real;
    }
    const before = world.database.stats.snapshot();
    real(commits.toReversed());
    await client.until((c) => foldEvents(c.events).status?.status === "waiting");
    expect(reads(before)).toBe(0);
    expect(foldEvents(client.events).messages).toEqual(await world.history(id));
    real(commits);
    expect(client.types().filter((type) => type === "message")).toHaveLength(2);
    client.subscription?.close();
  });

  it("never show what only the model sees", async () => {
    const id = await world.running();
    const client = await (await world.open(id)).ready();
    await world.update(id, async (bundle) => {
      await bundle.insert({ role: "system", visibility: "model", parts: text("secret") });
    });
    await world.turn(id, ["open"]);
    await client.until((c) => foldEvents(c.events).status?.status === "waiting");
    const joiner = await (await world.open(id)).ready();
    for (const c of [client, joiner]) {
      expect(JSON.stringify(c.events)).not.toContain("secret");
      c.subscription?.close();
    }
  });
});

describe("a slow client", () => {
  it("gets a snapshot for the parts it did not take, and slows nobody", async () => {
    const id = await world.running();
    const slow = await (await world.open(id)).ready();
    const fast = await (await world.open(id)).ready();
    const { key, writer } = await world.attempt(id);
    slow.fast = false;
    for (let i = 0; i < 3_000; i++) writer.append(delta(`${i},`));
    await fast.until((c) => foldEvents(c.events).preview?.seq === 3_000);
    expect(fast.types().filter((type) => type === "message_part")).toHaveLength(3_000);
    slow.drain();
    await slow.until((c) => c.types().includes("preview_snapshot"));
    expect(slow.types().filter((type) => type === "message_part").length).toBeLessThan(10);
    expect(foldEvents(slow.events).preview).toEqual(foldEvents(fast.events).preview);
    slow.fast = false;
    for (let i = 0; i < 3_000; i++) writer.append(delta(`${i},`));
    writer.close();
    await world.reply(id, "done", key);
    slow.drain();
    await slow.until((c) => foldEvents(c.events).status?.status === "waiting");
    const transcript = foldEvents(slow.events);
    expect(transcript.desync).toBe(false);
    expect(transcript.messages).toEqual(await world.history(id));
    slow.subscription?.close();
    fast.subscription?.close();
  });

  it("gets the snapshot in its place, before what was said after the parts", async () => {
    const id = await world.running();
    const slow = await (await world.open(id)).ready();
    const { writer } = await world.attempt(id);
    slow.fast = false;
    for (let i = 0; i < 1_000; i++) writer.append(delta("x"));
    writer.close();
    await world.update(id, async (bundle) => {
      await recordRetryState(bundle, { attempt: 1, delay_ms: 9, kind: "server", message: "oops" });
    });
    slow.drain();
    await slow.until((c) => c.types().at(-1) === "retry");
    expect(slow.types().slice(-2)).toEqual(["preview_snapshot", "retry"]);
    const transcript = foldEvents(slow.events);
    expect(transcript.retry?.kind).toBe("server");
    expect(transcript.preview?.parts).toEqual([{ type: "text", text: "x".repeat(1_000) }]);
    slow.subscription?.close();
  });

  it("that takes nothing is closed with a code to come back", async () => {
    const id = await world.running();
    const slow = await (await world.open(id)).ready();
    slow.fast = false;
    const chat = await world.chat(id);
    for (let i = 0; i <= outboxEventsMax + 1 && slow.closed === null; i++) {
      const metadata_version = chat.metadata_version + i + 1;
      const next = { ...chat, metadata_version, title: String(i) };
      const nothing = { messages: [], historyCut: false, queue: null, actions: null };
      world.streams.committed([{ chat: next, before: chat, deleted: false, ...nothing }]);
    }
    expect(await slow.ended()).toBe("slow_consumer");
    const cursor = slow.events.at(-1)?.cursor ?? null;
    const back = await (await world.open(id, cursor)).ready();
    back.subscription?.close();
  });
});

describe("the end of a stream", () => {
  it("comes with the chat's deletion, here and elsewhere", async () => {
    const id = await world.running();
    const client = await (await world.open(id)).ready();
    await world.update(id, async (bundle) => await deleteChat(bundle));
    expect(await client.ended()).toBe("chat_deleted");
    const other = await world.running();
    const second = await (await world.open(other)).ready();
    world.handOver = false;
    await world.update(other, async (bundle) => await deleteChat(bundle));
    world.handOver = true;
    world.streams.perhaps(other);
    expect(await second.ended()).toBe("chat_deleted");
    expect(world.streams.stats()).toEqual({ feeds: 0, subscribers: 0 });
  });

  it("comes when the right is withdrawn, which the poll sees too", async () => {
    const id = await world.running();
    const client = await (await world.open(id)).ready();
    const other = "00000000-0000-7000-8000-000000000001";
    await world.sql(
      `insert into parley.principals (id, name) values ('${other}', 'other');
       alter table parley.chats disable trigger user;
       update parley.chats set owner_id = '${other}' where id = '${id}';
       alter table parley.chats enable trigger user;`,
    );
    await world.clock.advance(10_000);
    expect(await client.ended()).toBe("forbidden");
    const mine = await world.running();
    const again = await (await world.open(mine)).ready();
    world.streams.forbid(world.owner);
    expect(await again.ended()).toBe("forbidden");
  });

  it("is spread over a while when the replica drains", async () => {
    const streams = new ChatStreams({
      database: world.database,
      clock: world.clock,
      random: seededRandom(3),
      logger: silentLogger,
      episodes: world.parts,
      checkpoints: createCheckpoints(world.database),
    });
    const id = await world.running();
    const chat = await world.chat(id);
    const clients = [1, 2, 3, 4].map(() => newChatClient());
    for (const sink of clients) {
      await streams.open({ chat, principalId: world.owner, cursor: null, sink });
    }
    const closed = streams.closeAll("reconnect", 2_000);
    const open = { chat, principalId: world.owner, cursor: null, sink: newChatClient() };
    await expect(streams.open(open)).rejects.toMatchObject({ code: "draining" });
    await world.clock.advance(500);
    expect(clients.filter((client) => client.closed !== null).length).toBeLessThan(4);
    await world.clock.advance(1_500);
    await closed;
    expect(clients.map((client) => client.closed)).toEqual(Array(4).fill("reconnect"));
    await streams.stop();
  });
});

describe("cursors that lead nowhere", () => {
  it.each(["", "garbage", "p1.a.b.c", "x".repeat(5000)])("%s is refused", async (cursor) => {
    const id = await world.running();
    await expect(world.open(id, cursor)).rejects.toMatchObject({ code: "invalid_cursor" });
  });

  it("of another chat are refused", async () => {
    const [one, two] = [await world.running(), await world.running()];
    const client = await (await world.open(one)).ready();
    const cursor = client.events.at(-1)?.cursor ?? null;
    await expect(world.open(two, cursor)).rejects.toMatchObject({ code: "invalid_cursor" });
    client.subscription?.close();
  });

  it("of another timeline, or of the future, begin anew", async () => {
    const id = await world.running();
    const here = await world.database.identity();
    const chat = await world.chat(id);
    const position = { ...nowhere, revision: 1, snapshot: chat.snapshot_version };
    const database = { ...here, timeline: here.timeline + 1 };
    const elsewhere = encodeCursor({ chatId: id, database }, position);
    const ahead = { ...nowhere, snapshot: chat.snapshot_version + 100, revision: 5 };
    const future = encodeCursor({ chatId: id, database: here }, ahead);
    for (const cursor of [elsewhere, future]) {
      const client = await (await world.open(id, cursor)).ready();
      expect(client.types()[0]).toBe("history_reset");
      expect(foldEvents(client.events).messages).toEqual(await world.history(id));
      client.subscription?.close();
    }
  });
});

describe("another database behind the same address", () => {
  it("makes every feed start over", async () => {
    let changed: (before: DatabaseIdentity, after: DatabaseIdentity) => void = () => {};
    const database = new Proxy(world.database, {
      get(target, name) {
        if (name === "onIdentityChange") {
          return (fn: typeof changed) => {
            changed = fn;
            return () => {};
          };
        }
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
    const streams = new ChatStreams({
      database,
      clock: world.clock,
      random: seededRandom(3),
      logger: silentLogger,
      episodes: world.parts,
      checkpoints: createCheckpoints(world.database),
    });
    const id = await world.running();
    const { writer } = await world.attempt(id);
    writer.append(delta("on the screen"));
    const client = newChatClient();
    const chat = await world.chat(id);
    await streams.open({ chat, principalId: world.owner, cursor: null, sink: client });
    await client.ready();
    const here = await world.database.identity();
    changed(here, { ...here, timeline: here.timeline + 1 });
    await client.until((c) => c.types().filter((type) => type === "history_reset").length === 2);
    await client.until((c) => c.types().at(-1) === "preview_snapshot");
    expect(client.types().filter((type) => type === "ready")).toHaveLength(1);
    const transcript = foldEvents(client.events);
    expect(transcript.messages).toEqual(await world.history(id));
    expect(transcript.preview?.parts).toEqual([{ type: "text", text: "on the screen" }]);
    writer.append(delta("!"));
    await client.until((c) => c.types().at(-1) === "message_part");
    await streams.stop();
  });
});

describe("a chat that nobody drives", () => {
  it("says so after a moment, and takes it back", async () => {
    await world.sql(`update parley.workers set draining = true`);
    const id = await world.running("hello", false);
    const client = await (await world.open(id)).ready();
    expect(foldEvents(client.events).status?.waiting).toBeUndefined();
    await world.clock.advance(2_000);
    await client.until((c) => foldEvents(c.events).status?.waiting !== undefined);
    expect(foldEvents(client.events).status?.waiting).toEqual({ reason: "no_worker" });
    const joiner = await (await world.open(id, client.events.at(-1)?.cursor ?? null)).ready();
    expect(joiner.types()).toEqual(["ready"]);
    await world.own(id);
    await client.until((c) => foldEvents(c.events).status?.waiting === undefined);
    await world.sql(`update parley.workers set draining = false`);
    client.subscription?.close();
    joiner.subscription?.close();
  });
});

describe("a database that does not answer", () => {
  let proxy: DatabaseProxy;
  let stalled: StreamWorld;

  beforeAll(async () => {
    const proxies: Promise<DatabaseProxy>[] = [];
    stalled = await StreamWorld.create((settings) => {
      const made = createDatabaseProxy(settings);
      proxies.push(made);
      return {};
    });
    proxy = await (proxies[0] as Promise<DatabaseProxy>);
  });

  afterAll(async () => {
    await stalled.drop();
    await proxy.close();
  });

  it("neither wedges a stream nor keeps one from opening", async () => {
    const id = await stalled.running();
    const clock = new ManualClock();
    const database = createDatabase({ ...proxy.settings });
    const parts = new PartBuffer({ clock, logger: silentLogger });
    const streams = new ChatStreams({
      database,
      clock,
      random: seededRandom(3),
      logger: silentLogger,
      episodes: parts,
      checkpoints: createCheckpoints(database),
    });
    const open = async (cursor: string | null): Promise<TestClient> => {
      const client = newChatClient();
      const chat = await stalled.chat(id);
      await streams.open({ chat, principalId: stalled.owner, cursor, sink: client });
      return client;
    };
    const first = await (await open(null)).ready();
    first.subscription?.close();
    proxy.goAway();
    // Nothing is remembered for it, and the read fails: it opens with what the authorized row says.
    const other = await stalled.running();
    const client = newChatClient();
    const chat = await stalled.chat(other);
    await streams.open({ chat, principalId: stalled.owner, cursor: null, sink: client });
    await client.until((c) => c.events.length > 0);
    expect(client.types()).toEqual(["status", "chat"]);
    proxy.restore();
    await clock.waitForTimer("stream.read-backoff");
    await clock.advance(1_000);
    await client.ready();
    expect(foldEvents(client.events).messages).toEqual(await stalled.history(other));

    // A network that says nothing: the read is given up after five seconds, and the stream goes on by itself.
    proxy.goSilent();
    streams.perhaps(other);
    await clock.waitForTimer("stream.deadline");
    await clock.advance(5_000);
    await clock.waitForTimer("stream.read-backoff");
    proxy.restore();
    await stalled.turn(other, ["back"]);
    streams.hint({ chat_id: other, unowned: false, ...(await stalled.chat(other)) });
    await clock.advance(10_000);
    await client.until((c) => foldEvents(c.events).status?.status === "waiting");
    expect(foldEvents(client.events).messages).toEqual(await stalled.history(other));
    await streams.stop();
    parts.stop();
    await database.close();
  });
});

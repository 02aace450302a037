import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { editMessage } from "../src/machine/transitions/edit-message.ts";
import { finishInterruption } from "../src/machine/transitions/finish-interruption.ts";
import { interrupt } from "../src/machine/transitions/interrupt.ts";
import { recordRetryState } from "../src/machine/transitions/record-retry-state.ts";
import { sendMessage } from "../src/machine/transitions/send-message.ts";
import { createDatabaseProxy } from "./database-proxy.ts";
import { previewText } from "./follow.ts";
import { expectNeverBlank, expectSoundStream } from "./onlooker.ts";
import { ReplicasWorld, type FeedReplica } from "./replicas-world.ts";
import { delta, foldEvents, text, type TestClient } from "./stream-world.ts";

/** Feeds of several replicas over one database: what a subscriber sees when the chat is driven elsewhere. */

let world: ReplicasWorld;
let near: FeedReplica;
let far: FeedReplica;
let third: FeedReplica;

beforeAll(async () => {
  world = await ReplicasWorld.create();
});
beforeEach(async () => {
  near = await world.replica();
  far = await world.replica();
  third = await world.replica();
});
afterAll(async () => await world.drop());

const seen = (client: TestClient): string => previewText(foldEvents(client.events));

async function shows(client: TestClient, words: string): Promise<void> {
  await client.until((c) => seen(c) === words);
}

async function ended(client: TestClient): Promise<void> {
  await client.until((c) => foldEvents(c.events).status?.status === "waiting");
}

/** In the end it has what the database has, and on the way nothing was missed, doubled or taken back. */
async function expectTrue(client: TestClient, id: string): Promise<void> {
  const transcript = foldEvents(client.events);
  expect(transcript.messages).toEqual(await world.history(id));
  expect(transcript.preview).toBeNull();
  expect(transcript.desync).toBe(false);
  expectSoundStream(client.events);
  client.subscription?.close();
}

/** Lets time pass, a little at a time, until it has happened: reads of a real database take as long as they take. */
async function passTime<T>(promise: Promise<T>): Promise<T> {
  const state = { over: false };
  const mark = (): void => void (state.over = true);
  promise.then(mark, mark);
  while (!state.over) await world.clock.advance(100);
  return await promise;
}

/** Lets reads and frames arrive until it is so; no time passes. */
async function until(is: () => boolean): Promise<void> {
  while (!is()) await world.settle();
}

/** The link to `replica` comes up only when the test says so. */
function holdDials(replica: FeedReplica): { complete(): void } {
  world.fleet.network.faults.set(replica.relay.url, "hang");
  return {
    complete() {
      world.fleet.network.faults.delete(replica.relay.url);
      for (const dial of world.fleet.network.dialsOf(replica.relay.url)) dial.complete();
    },
  };
}

describe("live parts from the owner elsewhere", () => {
  test("buffered parts arrive before live ones, in order, each once, also when the relay opens in the middle of a stream", async () => {
    const id = await far.running();
    const { key, writer } = await far.attempt(id);
    for (const word of ["1 ", "2 ", "3 "]) writer.append(delta(word));
    const dial = holdDials(far);
    const client = await (await near.open(id)).ready();
    await until(() => world.fleet.network.dialsOf(far.relay.url).length > 0);
    expect(seen(client)).toBe("");
    writer.append(delta("4 "));
    dial.complete();
    await shows(client, "1 2 3 4 ");
    writer.append(delta("5"));
    await shows(client, "1 2 3 4 5");
    await far.reply(id, "1 2 3 4 5", key);
    await ended(client);
    await expectTrue(client, id);
  });

  test("the relay reconnects after a drop, and after several drops in a row", async () => {
    const id = await far.running();
    const { key, writer } = await far.attempt(id);
    const client = await (await near.open(id)).ready();
    let said = "";
    for (let drop = 0; drop < 4; drop++) {
      writer.append(delta(`${drop} `));
      said += `${drop} `;
      await shows(client, said);
      world.fleet.network.drop(far.relay.url);
      await world.settle();
      writer.append(delta("meanwhile "));
      said += "meanwhile ";
      // The rows are read from a real database before the episode is asked for again.
      await passTime(shows(client, said));
    }
    await far.reply(id, said, key);
    await ended(client);
    await expectTrue(client, id);
  });

  test("a dial that hangs does not delay status events", async () => {
    holdDials(far);
    const id = await far.running();
    const { key } = await far.attempt(id);
    const client = await (await near.open(id)).ready();
    await until(() => world.fleet.network.dialsOf(far.relay.url).length === 1);
    await far.update(id, async (bundle) => await interrupt(bundle, { hold: false }));
    await client.until((c) => foldEvents(c.events).status?.status === "interrupting");
    await far.update(id, async (bundle) => {
      await finishInterruption(bundle, { partial: [partialOf(key, "kept")] });
    });
    await ended(client);
    await expectTrue(client, id);
  });

  test("an interrupt while a dial is in flight", async () => {
    const dial = holdDials(far);
    const id = await far.running();
    const { key, writer } = await far.attempt(id);
    writer.append(delta("never seen here"));
    const client = await (await near.open(id)).ready();
    await until(() => world.fleet.network.dialsOf(far.relay.url).length > 0);
    await near.update(id, async (bundle) => await interrupt(bundle, { hold: false }));
    await far.update(id, async (bundle) => {
      await finishInterruption(bundle, { partial: [partialOf(key, "kept")] });
    });
    await ended(client);
    const before = client.events.length;
    dial.complete();
    await world.settle();
    expect(client.events).toHaveLength(before);
    expect(near.relay.links.stats().follows).toBe(0);
    await expectTrue(client, id);
  });

  test("a stale dial that completes after an interrupt and a new owner is discarded", async () => {
    const dial = holdDials(far);
    const id = await far.running();
    const first = await far.attempt(id);
    first.writer.append(delta("stale"));
    const client = await (await near.open(id)).ready();
    await until(() => world.fleet.network.dialsOf(far.relay.url).length > 0);
    await far.update(id, async (bundle) => await interrupt(bundle, { hold: false }));
    await far.update(id, async (bundle) => {
      await finishInterruption(bundle, { partial: [partialOf(first.key, "kept")] });
      await bundle.set({ worker_id: null, runner_id: null });
    });
    await ended(client);
    await askAgain(third, id);
    const second = await third.attempt(id);
    second.writer.append(delta("new"));
    await shows(client, "new");
    first.writer.append(delta(" and late"));
    dial.complete();
    await world.settle();
    expect(seen(client)).toBe("new");
    await third.reply(id, "new", second.key);
    await ended(client);
    expect(JSON.stringify(client.events)).not.toContain("stale");
    await expectTrue(client, id);
  });

  test("the owner changes from one remote replica to another while running (C10)", async () => {
    const id = await far.running();
    const first = await far.attempt(id);
    first.writer.append(delta("from far"));
    const client = await (await near.open(id)).ready();
    await shows(client, "from far");
    await third.take(id);
    const second = await third.attempt(id);
    await until(() => world.fleet.network.dialsOf(third.relay.url).length === 1);
    first.writer.append(delta(" too late"));
    await world.settle();
    // Nothing better to show yet.
    expect(seen(client)).toBe("from far");
    second.writer.append(delta("from third"));
    await shows(client, "from third");
    await third.reply(id, "from third", second.key);
    await ended(client);
    expectNeverBlank(client.events);
    await expectTrue(client, id);
  });

  test("the owner becomes the local replica: the remote link is left", async () => {
    const id = await far.running();
    const first = await far.attempt(id);
    first.writer.append(delta("remote"));
    const client = await (await near.open(id)).ready();
    await shows(client, "remote");
    expect(near.relay.links.stats()).toMatchObject({ follows: 1 });
    await near.take(id);
    const second = await near.attempt(id);
    await until(() => near.relay.links.stats().follows === 0);
    second.writer.append(delta("local"));
    first.writer.append(delta(" stale"));
    await shows(client, "local");
    const before = near.database.stats.snapshot();
    await near.reply(id, "local", second.key);
    await ended(client);
    expect(near.reads(before)).toBe(0);
    // It carries nothing any more, and closes after a while.
    await world.clock.advance(120_000);
    await world.settle();
    expect(near.relay.links.stats()).toMatchObject({ open: 0 });
    expectNeverBlank(client.events);
    await expectTrue(client, id);
  });

  test("a turn ends before the relay is up: its parts still arrive", async () => {
    const dial = holdDials(far);
    const id = await far.running();
    const { key, writer } = await far.attempt(id);
    const client = await (await near.open(id)).ready();
    await until(() => world.fleet.network.dialsOf(far.relay.url).length > 0);
    near.hears = false;
    for (const word of ["all ", "of ", "it"]) writer.append(delta(word));
    writer.close();
    await far.reply(id, "all of it", key);
    dial.complete();
    await shows(client, "all of it");
    near.streams.perhaps(id);
    await ended(client);
    await expectTrue(client, id);
  });

  test("a retry on the owner shows as a retry event elsewhere", async () => {
    const id = await far.running();
    const first = await far.attempt(id);
    first.writer.append(delta("half"));
    const client = await (await near.open(id)).ready();
    await shows(client, "half");
    first.writer.close();
    await far.update(id, async (bundle) => {
      const wait = { attempt: 1, delay_ms: 1_000, kind: "overloaded", message: "busy" } as const;
      await recordRetryState(bundle, wait);
    });
    await client.until((c) => foldEvents(c.events).retry !== null);
    expect(foldEvents(client.events).retry).toMatchObject({ attempt: 1, kind: "overloaded" });
    // A joiner elsewhere during the back-off is told the same, and shown the same text.
    const joiner = await (await third.open(id)).ready();
    await shows(joiner, "half");
    expect(foldEvents(joiner.events).retry).toMatchObject({ attempt: 1, kind: "overloaded" });
    const second = await far.attempt(id);
    second.writer.append(delta("whole"));
    for (const each of [client, joiner]) {
      await shows(each, "whole");
      expect(foldEvents(each.events).retry).toBeNull();
    }
    await far.reply(id, "whole", second.key);
    for (const each of [client, joiner]) {
      await ended(each);
      expectNeverBlank(each.events);
      await expectTrue(each, id);
    }
  });

  test("who has the beginning of a reply from another replica goes on with it, also before the link is up", async () => {
    const id = await far.running();
    const { key, writer } = await far.attempt(id);
    const before = await (await far.open(id)).ready();
    for (const word of ["1 ", "2 ", "3 "]) writer.append(delta(word));
    await shows(before, "1 2 3 ");
    before.subscription?.close();
    const cursor = before.events.at(-1)?.cursor ?? null;

    const dial = holdDials(far);
    const after = await near.open(id, cursor);
    // One who knows nothing of it stands beside it.
    const fresh = await (await near.open(id)).ready();
    await after.until((c) => c.types().includes("ready"));
    await until(() => world.fleet.network.dialsOf(far.relay.url).length > 0);
    writer.append(delta("4 "));
    dial.complete();
    await shows(fresh, "1 2 3 4 ");
    const whole = (): TestClient["events"] => [...before.events, ...after.events];
    await after.until(() => previewText(foldEvents(whole())) === "1 2 3 4 ");
    expect(after.types().filter((type) => type !== "ready")).toEqual(["message_part"]);
    await far.reply(id, "1 2 3 4 ", key);
    await ended(fresh);
    await after.until((c) => c.types().includes("message"));
    expect(foldEvents(whole()).messages).toEqual(await world.history(id));
    expectSoundStream(whole());
    expect(foldEvents(whole()).desync).toBe(false);
    for (const each of [after, fresh]) each.subscription?.close();
  });

  test("and every cursor that it is given on the way still knows of that beginning", async () => {
    const id = await far.running();
    const { key, writer } = await far.attempt(id);
    const first = await (await far.open(id)).ready();
    writer.append(delta("said and lost"));
    await shows(first, "said and lost");
    first.subscription?.close();

    holdDials(far);
    const second = await near.open(id, first.events.at(-1)?.cursor ?? null);
    await second.ready();
    await near.update(id, async (bundle) => await interrupt(bundle, { hold: false }));
    await second.until((c) => c.types().includes("status"));
    second.subscription?.close();

    const last = await third.open(id, second.events.at(-1)?.cursor ?? null);
    await last.ready();
    // The replica that said it is gone with all of it: nothing is kept.
    await third.update(id, async (bundle) => {
      await bundle.set({ worker_id: third.id, runner_id: "00000000-0000-7000-8000-000000000001" });
      await finishInterruption(bundle, { partial: [] });
    });
    await last.until((c) => c.types().includes("preview_reset"));
    const all = [...first.events, ...second.events, ...last.events];
    expect(foldEvents(all).preview).toBeNull();
    expect(key.generation_attempt).toBe(1);
    last.subscription?.close();
  });
});

describe("what is read, and when", () => {
  test("a status change between authorization and subscription is not missed", async () => {
    const id = await far.running();
    for (const withFeed of [false, true]) {
      const other = withFeed ? await (await near.open(id)).ready() : null;
      near.hears = false;
      const authorized = await world.chat(id);
      const { key } = await far.attempt(id);
      await far.reply(id, "meanwhile", key);
      const client = await (await near.open(id, null, authorized)).ready();
      near.hears = true;
      if (other === null) {
        expect(foldEvents(client.events).status?.status).toBe("waiting");
      } else {
        // The feed is as old as the authorization: whatever it has heard, the poll brings it.
        near.streams.lookAtAll();
        await ended(client);
        other.subscription?.close();
      }
      await expectTrue(client, id);
      await askAgain(far, id);
    }
  });

  test("a feed that is older than the authorized row is brought up to it first", async () => {
    const id = await far.running();
    const other = await (await near.open(id)).ready();
    near.hears = false;
    const { key } = await far.attempt(id);
    await far.reply(id, "meanwhile", key);
    const client = await (await near.open(id)).ready();
    near.hears = true;
    expect(foldEvents(client.events).status?.status).toBe("waiting");
    await ended(other);
    await expectTrue(client, id);
    await expectTrue(other, id);
  });

  test("the chat row cannot be re-read after arming: the stream starts from the authorized row and corrects itself", async () => {
    const proxy = await createDatabaseProxy(world.settings);
    const cutOff = await world.replica(proxy.settings);
    const warm = await far.running();
    (await (await cutOff.open(warm)).ready()).subscription?.close();
    const id = await far.running();
    const authorized = await world.chat(id);
    const { key } = await far.attempt(id);
    await far.reply(id, "meanwhile", key);
    proxy.goAway();
    const client = await cutOff.open(id, null, authorized);
    await client.until((c) => c.events.length > 0);
    expect(client.types()).toEqual(["status", "chat"]);
    expect(foldEvents(client.events).status?.status).toBe("running");
    proxy.restore();
    await passTime(client.ready());
    expect(foldEvents(client.events).status?.status).toBe("waiting");
    await expectTrue(client, id);
    await proxy.close();
  });

  test("a stalled database does not wedge a subscriber that brought no deadline", async () => {
    const proxy = await createDatabaseProxy(world.settings);
    const stalled = await world.replica(proxy.settings);
    const id = await far.running();
    const warm = await (await stalled.open(id)).ready();
    warm.subscription?.close();
    proxy.goSilent();
    const opening = stalled.open(id);
    await world.clock.waitForTimer("stream.deadline");
    const client = await passTime(opening);
    await client.until((c) => c.events.length > 0);
    expect(client.types()).toEqual(["status", "chat"]);
    proxy.restore();
    await passTime(client.ready());
    const { key } = await far.attempt(id);
    await far.reply(id, "after all", key);
    await ended(client);
    await expectTrue(client, id);
    await proxy.close();
  });

  test("same-replica subscribers cause no reads", async () => {
    const id = await near.running();
    const clients = [await near.open(id), await near.open(id), await near.open(id)];
    for (const client of clients) await client.ready();
    const before = near.database.stats.snapshot();
    for (let turn = 0; turn < 3; turn++) {
      const { key, writer } = await near.attempt(id);
      writer.append(delta("a"));
      writer.close();
      await near.reply(id, "a", key);
      await askAgain(near, id);
    }
    // One that joins, and one that comes back, are served from what is remembered.
    clients.push(await (await near.open(id)).ready());
    clients.push(await (await near.open(id, clients[0]!.events[3]?.cursor ?? null)).ready());
    expect(near.reads(before)).toBe(0);
    const history = await world.history(id);
    for (const client of clients) {
      await client.until((c) => c.events.length > 0 && c.types().includes("ready"));
      client.subscription?.close();
    }
    await clients[3]!.until((c) => foldEvents(c.events).messages.length === history.length);
    expect(foldEvents(clients[0]!.events).messages).toEqual(history);
  });

  test("a cache miss falls back to the database", async () => {
    const id = await near.running();
    const client = await (await near.open(id)).ready();
    // The hand-over of one commit is lost, so the next one does not follow on what is known.
    near.handsOver = false;
    const { key } = await near.attempt(id);
    near.handsOver = true;
    const before = near.database.stats.snapshot();
    await near.reply(id, "found", key);
    await ended(client);
    expect(near.reads(before)).toBe(1);
    await expectTrue(client, id);
  });

  test("an edit always reads the database", async () => {
    const id = await near.running();
    const { key } = await near.attempt(id);
    await near.reply(id, "first answer", key);
    const client = await (await near.open(id)).ready();
    const [asked] = await world.history(id);
    const before = near.database.stats.snapshot();
    await near.update(id, async (bundle) => {
      await editMessage(bundle, {
        message_id: asked?.id as number,
        parts: text("other question"),
        client_id: null,
        created_by: null,
        keep_queue: false,
      });
    });
    await client.until((c) => foldEvents(c.events).messages.length === 1);
    expect(near.reads(before)).toBe(1);
    await client.until((c) => foldEvents(c.events).status?.status === "running");
    await expectTrue(client, id);
  });

  test("a remote replica reads at most once per commit, whatever the number of subscribers", async () => {
    const id = await far.running();
    const clients = await Promise.all(Array.from({ length: 50 }, async () => await near.open(id)));
    for (const client of clients) await client.ready();
    const before = near.database.stats.snapshot();
    const { key } = await far.attempt(id);
    await far.reply(id, "for all", key);
    for (const client of clients) await ended(client);
    // Two commits: the attempt, and the reply with the turn's end.
    expect(near.reads(before)).toBeLessThanOrEqual(2);
    for (const client of clients) await expectTrue(client, id);
  });
});

describe("without the bus", () => {
  test("two replicas whose bus is dead converge by the poll, and local subscribers see no duplicates and nothing missing (C32)", async () => {
    near.hears = false;
    far.hears = false;
    near.streams.start();
    far.streams.start();
    const id = await far.running();
    const [local, remote] = [
      await (await far.open(id)).ready(),
      await (await near.open(id)).ready(),
    ];
    const { key, writer } = await far.attempt(id);
    writer.append(delta("here "));
    writer.append(delta("first"));
    await shows(local, "here first");
    await far.reply(id, "here first", key);
    await ended(local);
    expect(local.types().filter((type) => type === "message")).toHaveLength(2);
    await expectTrue(local, id);
    expect(foldEvents(remote.events).status?.status).toBe("running");
    await world.clock.advance(10_000);
    await ended(remote);
    await expectTrue(remote, id);
  });

  test("a replica dies between committing and publishing: the poll finds it", async () => {
    near.streams.start();
    const id = await far.running();
    const client = await (await near.open(id)).ready();
    const { key } = await far.attempt(id);
    await client.until((c) => c.types().length > 0);
    far.publishes = false;
    await far.reply(id, "its last words", key);
    await world.settle();
    expect(foldEvents(client.events).status?.status).toBe("running");
    await world.clock.advance(10_000);
    await ended(client);
    await expectTrue(client, id);
  });

  test("the database goes away during a reconnect timer: the stream recovers", async () => {
    const proxy = await createDatabaseProxy(world.settings);
    const shaky = await world.replica(proxy.settings);
    shaky.streams.start();
    const id = await far.running();
    const { key, writer } = await far.attempt(id);
    const client = await (await shaky.open(id)).ready();
    writer.append(delta("before "));
    await shows(client, "before ");
    world.fleet.network.drop(far.relay.url);
    await world.clock.waitForTimer("relay.retry");
    proxy.goAway();
    writer.append(delta("meanwhile "));
    // The link is made anew, and cannot read the rows first: it asks all the same.
    await passTime(shows(client, "before meanwhile "));
    await far.reply(id, "before meanwhile ", key);
    await world.clock.waitForTimer("stream.read-backoff");
    proxy.restore();
    await passTime(ended(client));
    await expectTrue(client, id);
    await proxy.close();
  });
});

function partialOf(
  { history_version, generation_attempt }: { history_version: number; generation_attempt: number },
  said: string,
) {
  return {
    role: "assistant" as const,
    parts: text(said),
    finish_reason: "interrupted" as const,
    episode: { history_version, generation_attempt },
  };
}

/** The next message of the user, on an idle chat that `replica` takes. */
async function askAgain(replica: FeedReplica, id: string): Promise<void> {
  const message = {
    parts: text("again"),
    model: null,
    reasoning_effort: null,
    client_id: null,
    created_by: null,
  };
  await replica.update(id, async (bundle) => {
    await sendMessage(bundle, { message, when_busy: "queue", queueMessagesMax: 20 });
  });
  await replica.take(id);
}

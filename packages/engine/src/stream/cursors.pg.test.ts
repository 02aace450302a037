import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ChatEvent } from "@parley/protocol";
import { editMessage } from "../machine/transitions/edit-message.ts";
import { finishInterruption } from "../machine/transitions/finish-interruption.ts";
import { interrupt } from "../machine/transitions/interrupt.ts";
import { recordRetryState } from "../machine/transitions/record-retry-state.ts";
import { delta, foldEvents, StreamWorld, text, type TestClient } from "../../test/stream-world.ts";

let world: StreamWorld;

beforeAll(async () => {
  world = await StreamWorld.create();
});

afterAll(async () => await world.drop());

/** A chat in which everything happens once; `pause` is called wherever somebody might lose the connection. */
async function eventfulChat(id: string, pause: () => Promise<void>): Promise<void> {
  await world.turn(id, ["a", "b", "c"]);
  await pause();
  await world.send(id, "second");
  await world.own(id);
  const failed = await world.attempt(id);
  failed.writer.append(delta("x"));
  failed.writer.append(delta("y"));
  failed.writer.close();
  await world.update(id, async (bundle) => {
    await recordRetryState(bundle, { attempt: 1, delay_ms: 5, kind: "server", message: "oops" });
  });
  await pause();
  const { writer, key } = await world.attempt(id);
  await pause();
  writer.append(delta("xyz"));
  await world.send(id, "queued");
  writer.append(delta("!"));
  await pause();
  await world.update(id, async (bundle) => await interrupt(bundle, { hold: false }));
  writer.close();
  const { history_version, generation_attempt } = key;
  await world.update(id, async (bundle) => {
    await finishInterruption(bundle, {
      partial: [
        {
          role: "assistant",
          parts: text("xyz!"),
          finish_reason: "interrupted",
          episode: { history_version, generation_attempt },
        },
      ],
    });
  });
  await pause();
  await world.turn(id, ["to the queued one"]);
  const target = (await world.history(id)).find((m) => JSON.stringify(m.parts).includes("second"));
  await world.update(id, async (bundle) => {
    await editMessage(bundle, {
      message_id: target?.id as number,
      parts: text("second, changed"),
      client_id: null,
      created_by: null,
      keep_queue: false,
    });
  });
  await pause();
  await world.turn(id, ["to ", "the change"]);
  await world.machine.transaction(async (tx) => await tx.patch(id, { title: "A title" }));
  await pause();
}

/** An edit is read from the database: its events come a moment later. */
async function caughtUp(client: TestClient, id: string): Promise<void> {
  const history = await world.history(id);
  const { status } = await world.chat(id);
  await client.until((c) => {
    const transcript = foldEvents(c.events);
    return isDeepStrictEqual(transcript.messages, history) && transcript.status?.status === status;
  });
}

describe("every cursor ever issued", () => {
  it("resumes to exactly what the database holds, at any later moment, with a feed or without (C08, C09, C12)", async () => {
    const id = await world.running("first");
    const client = await (await world.open(id)).ready();
    let tried = 0;
    const tryAll = async (events: readonly ChatEvent[], whole: ChatEvent[]): Promise<void> => {
      const expected = foldEvents(whole);
      const history = await world.history(id);
      for (let i = 0; i < events.length; i++) {
        const again = await (await world.open(id, events[i]?.cursor ?? null)).ready();
        again.subscription?.close();
        const before = foldEvents(events.slice(0, i + 1));
        const after = foldEvents(again.events, before);
        const at = `cursor of event ${i} (${events[i]?.type}), then ${again.types().join(" ")}`;
        expect(after.messages, at).toEqual(history);
        expect(after.desync, at).toBe(false);
        expect(after.preview?.parts ?? null, at).toEqual(expected.preview?.parts ?? null);
        expect(after.status, at).toEqual(expected.status);
        expect(after.queue, at).toEqual(expected.queue);
        expect(after.retry, at).toEqual(expected.retry);
        expect(after.error, at).toEqual(expected.error);
        expect(after.chat?.title, at).toEqual(expected.chat?.title);
        tried += 1;
      }
    };
    await eventfulChat(id, async () => {
      await caughtUp(client, id);
      await tryAll(client.events, client.events);
    });
    client.subscription?.close();
    // Nobody is there any more: each makes the feed anew, and reads.
    await tryAll(client.events, client.events);
    // A second generation: cursors that were issued to those who came back.
    const late = await (await world.open(id, client.events[3]?.cursor ?? null)).ready();
    const seen = [...client.events.slice(0, 4), ...late.events];
    late.subscription?.close();
    await tryAll(seen, client.events);
    expect(tried).toBeGreaterThan(150);
  });

  it("at the end of a sync brings nothing but ready", async () => {
    const id = await world.running("first");
    const client = await (await world.open(id)).ready();
    const quiet: string[] = [];
    await eventfulChat(id, async () => {
      await caughtUp(client, id);
      const back = await (await world.open(id, client.events.at(-1)?.cursor ?? null)).ready();
      quiet.push(back.types().join(" "));
      back.subscription?.close();
    });
    expect(new Set(quiet)).toEqual(new Set(["ready"]));
    client.subscription?.close();
  });
});

describe("a long chat", () => {
  const size = 1_000;
  let id: string;

  beforeAll(async () => {
    id = await world.running("first");
    await world.sql(
      `insert into parley.chat_messages (chat_id, role, parts)
       select '${id}', 'user', jsonb_build_array(jsonb_build_object('type', 'text', 'text', n::text))
       from generate_series(2, ${size}) n`,
    );
  });

  const ids = (client: TestClient): number[] =>
    client.events.flatMap((event) => (event.type === "message" ? [event.data.id] : []));

  it("begins with the newest 200 messages, once each", async () => {
    const client = await (await world.open(id)).ready();
    const history = await world.history(id);
    expect(ids(client)).toEqual(history.slice(-200).map((message) => message.id));
    const before = history.at(-200)?.id;
    expect(client.events[0]?.data).toEqual({ has_more: true, before });
    const reads = world.database.stats.snapshot();
    const joiner = await (await world.open(id)).ready();
    expect(ids(joiner)).toEqual(ids(client));
    expect(world.database.stats.since(reads).total.statements).toBe(0);
    for (let i = 0; i < client.events.length; i += 13) {
      const again = await world.open(id, client.events[i]?.cursor ?? null);
      await again.ready();
      const whole = foldEvents(again.events, foldEvents(client.events.slice(0, i + 1)));
      expect(whole.messages).toEqual(history.slice(-200));
      expect(whole.before).toBe(before);
      again.subscription?.close();
    }
    client.subscription?.close();
    joiner.subscription?.close();
  });

  it("goes on where a client left it, also when that is too far back to tell", async () => {
    const client = await (await world.open(id)).ready();
    const cursor = client.events.at(-1)?.cursor ?? null;
    client.subscription?.close();
    await world.sql(
      `update parley.chats set snapshot_version = snapshot_version + 1 where id = '${id}';
       insert into parley.chat_messages (chat_id, role, parts)
       select '${id}', 'user', '[{"type": "text", "text": "more"}]' from generate_series(1, 100) n`,
    );
    const near = await (await world.open(id, cursor)).ready();
    expect(ids(near)).toHaveLength(100);
    near.subscription?.close();
    await world.sql(
      `update parley.chats set snapshot_version = snapshot_version + 1 where id = '${id}';
       insert into parley.chat_messages (chat_id, role, parts)
       select '${id}', 'user', '[{"type": "text", "text": "more"}]' from generate_series(1, 300) n`,
    );
    const far = await (await world.open(id, cursor)).ready();
    expect(far.types()[0]).toBe("history_reset");
    expect(ids(far)).toHaveLength(200);
    const whole = foldEvents(far.events, foldEvents(client.events));
    expect(whole.messages).toEqual((await world.history(id)).slice(-200));
    far.subscription?.close();
  });

  it("tells of a message that changed, if the client has it", async () => {
    const history = await world.history(id);
    const client = await (await world.open(id)).ready();
    const cursor = client.events.at(-1)?.cursor ?? null;
    const [old, recent] = [history.at(10)?.id, history.at(-10)?.id];
    await world.sql(
      `update parley.chats set snapshot_version = snapshot_version + 1 where id = '${id}';
       update parley.chat_messages set parts = '[{"type": "text", "text": "revised"}]'
       where id in (${old}, ${recent})`,
    );
    world.streams.perhaps(id);
    await client.until((c) => ids(c).at(-1) === recent);
    client.subscription?.close();
    const back = await (await world.open(id, cursor)).ready();
    back.subscription?.close();
    expect(ids(client).length).toBe(201);
    expect(ids(back)).toEqual([recent]);
    expect(foldEvents(client.events).messages).toEqual((await world.history(id)).slice(-200));
  });

  it("survives an edit above the window, and one inside it", async () => {
    const client = await (await world.open(id)).ready();
    const edit = async (from: number): Promise<void> => {
      const target = (await world.history(id)).at(from);
      await world.update(id, async (bundle) => {
        await editMessage(bundle, {
          message_id: target?.id as number,
          parts: text("changed"),
          client_id: null,
          created_by: null,
          keep_queue: false,
        });
      });
    };
    const cursor = client.events.at(-1)?.cursor ?? null;
    await edit(-50);
    await client.until((c) => c.types().filter((type) => type === "history_reset").length === 2);
    const reset = client.events.findLast((event) => event.type === "history_reset");
    expect(reset?.data).toMatchObject({ has_more: true, after: expect.any(Number) as unknown });
    expect(foldEvents(client.events).messages).toEqual((await world.history(id)).slice(-151));
    await edit(300);
    await client.until((c) => c.types().filter((type) => type === "history_reset").length === 3);
    expect(foldEvents(client.events).messages).toEqual((await world.history(id)).slice(-200));
    client.subscription?.close();
    const back = await (await world.open(id, cursor)).ready();
    expect(back.types()[0]).toBe("history_reset");
    const whole = foldEvents(back.events);
    expect(whole.messages).toEqual((await world.history(id)).slice(-200));
    back.subscription?.close();
  });
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ChatEvent } from "@parley/protocol";
import { editMessage } from "../machine/transitions/edit-message.ts";
import { delta, foldEvents, StreamWorld, text, type TestClient } from "../../test/stream-world.ts";

let world: StreamWorld;

beforeAll(async () => {
  world = await StreamWorld.create();
});

afterAll(async () => await world.drop());

/** What the client shows is what the database holds. */
async function expectHistory(client: TestClient, id: string): Promise<void> {
  const transcript = foldEvents(client.events);
  expect(transcript.desync).toBe(false);
  expect(transcript.messages).toEqual(await world.history(id));
}

describe("a new subscription", () => {
  it("to an idle chat gets the history, the state, and ready, and waits for nothing (C33)", async () => {
    const id = await world.running();
    await world.turn(id, ["Hel", "lo"]);
    const client = await (await world.open(id)).ready();
    expect(client.types()).toEqual([
      "history_reset",
      "message",
      "message",
      "queue_update",
      "status",
      "chat",
      "ready",
    ]);
    expect(client.events.every((event) => event.cursor !== undefined)).toBe(true);
    await expectHistory(client, id);
    client.subscription?.close();
  });
});

describe("a commit made here", () => {
  it("is streamed without a read", async () => {
    const id = await world.running();
    const client = await (await world.open(id)).ready();
    const before = world.database.stats.snapshot();
    const { key, writer } = await world.attempt(id);
    for (const word of ["one ", "two ", "three"]) writer.append(delta(word));
    writer.append({ type: "text", index: 0, text: "one two three" });
    writer.close();
    await world.reply(id, "one two three", key);
    await client.until((c) => foldEvents(c.events).status?.status === "waiting");
    expect(world.database.stats.since(before).total.statements).toBe(0);
    expect(client.types().slice(-6)).toEqual([
      "message_part",
      "message_part",
      "message_part",
      "message_part",
      "message",
      "status",
    ]);
    await expectHistory(client, id);
    client.subscription?.close();
  });
});

describe("one subscription", () => {
  it("sees turn after turn, whoever starts them and wherever they run (C40)", async () => {
    const id = await world.running("first");
    const client = await (await world.open(id)).ready();
    await world.turn(id, ["one"]);
    await client.until((c) => foldEvents(c.events).status?.status === "waiting");
    // Another replica takes the next message and answers it.
    world.handOver = false;
    await world.send(id, "second");
    await world.own(id);
    await world.turn(id, ["two"]);
    world.handOver = true;
    world.streams.hint({ chat_id: id, unowned: false, ...(await world.chat(id)) });
    await client.until((c) => foldEvents(c.events).messages.length === 4);
    // And the third one is this replica's again.
    await world.send(id, "third");
    await world.own(id);
    await world.turn(id, ["three"]);
    await client.until((c) => foldEvents(c.events).messages.length === 6);
    await expectHistory(client, id);
    expect(client.closed).toBeNull();
    expect(client.types().filter((type) => type === "ready")).toHaveLength(1);
    client.subscription?.close();
  });
});

describe("every cursor", () => {
  it("resumes cleanly, from wherever it was issued", async () => {
    const id = await world.running("first");
    const client = await (await world.open(id)).ready();
    await world.turn(id, ["a", "b", "c"]);
    await world.send(id, "second");
    await world.own(id);
    const { writer, key } = await world.attempt(id);
    writer.append(delta("x"));
    writer.append(delta("y"));
    await world.send(id, "queued");
    writer.append(delta("z"));
    const logs: ChatEvent[][] = [];
    const tryAll = async (): Promise<void> => {
      logs.push([...client.events]);
      for (let i = 0; i < client.events.length; i++) {
        const cursor = client.events[i]?.cursor ?? null;
        const again = await (await world.open(id, cursor)).ready();
        const before = foldEvents(client.events.slice(0, i + 1));
        const after = foldEvents(again.events, before);
        const whole = foldEvents(client.events);
        expect(after.desync, `${i}`).toBe(false);
        expect(after.messages, `${i}`).toEqual(await world.history(id));
        expect(after.preview?.parts ?? null, `${i}: ${client.types()[i]}`).toEqual(
          whole.preview?.parts ?? null,
        );
        expect(after.status, `${i}`).toEqual(whole.status);
        expect(after.queue, `${i}`).toEqual(whole.queue);
        again.subscription?.close();
      }
    };
    await tryAll();
    // And with nobody there, so that the feed is made anew each time.
    client.subscription?.close();
    await tryAll();
    writer.close();
    await world.reply(id, "xyz", key, false);
    const back = await (await world.open(id, client.events.at(-1)?.cursor ?? null)).ready();
    expect(back.types()).toEqual(["message", "ready"]);
    back.subscription?.close();
  });
});

describe("an edit", () => {
  it("drops what it deletes", async () => {
    const id = await world.running("first");
    await world.turn(id, ["answer"]);
    const client = await (await world.open(id)).ready();
    const [first] = await world.history(id);
    await world.update(
      id,
      async (bundle) =>
        await editMessage(bundle, {
          message_id: first?.id as number,
          parts: text("changed"),
          client_id: null,
          created_by: null,
          keep_queue: false,
        }),
    );
    await client.until((c) => c.types().includes("history_reset", 2));
    await expectHistory(client, id);
    client.subscription?.close();
  });
});

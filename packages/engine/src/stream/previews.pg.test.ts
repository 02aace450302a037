import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keptPartial } from "@parley/protocol";
import { editMessage } from "../machine/transitions/edit-message.ts";
import { finishError } from "../machine/transitions/finish-error.ts";
import { finishInterruption } from "../machine/transitions/finish-interruption.ts";
import { interrupt } from "../machine/transitions/interrupt.ts";
import { recordRetryState } from "../machine/transitions/record-retry-state.ts";
import { PartBuffer } from "../parts/part-buffer.ts";
import { CheckpointLoop } from "../parts/checkpoint-loop.ts";
import type { EpisodeKey } from "../parts/ports.ts";
import { silentLogger } from "../lib/logger.ts";
import { createCheckpoints } from "../store/checkpoints.ts";
import { ChatStreams } from "./streams.ts";
import { seededRandom } from "../lib/random.ts";
import {
  delta,
  foldEvents,
  newChatClient,
  StreamWorld,
  text,
  type TestClient,
} from "../../test/stream-world.ts";

let world: StreamWorld;

beforeAll(async () => {
  world = await StreamWorld.create();
});

afterAll(async () => await world.drop());

const previewText = (client: TestClient): string | null => {
  const preview = foldEvents(client.events).preview;
  return preview && preview.parts.map((part) => ("text" in part ? part.text : "")).join("");
};

async function fail(key: EpisodeKey): Promise<void> {
  await world.update(key.chat_id, async (bundle) => {
    const { generation_attempt: attempt } = key;
    await recordRetryState(bundle, { attempt, delay_ms: 1000, kind: "server", message: "oops" });
  });
}

describe("a joiner in the middle of a reply", () => {
  it("gets one compact snapshot, then deltas (C13)", async () => {
    const id = await world.running();
    const { writer } = await world.attempt(id);
    for (let i = 0; i < 5_000; i++) writer.append(delta(`${i} `));
    const client = await (await world.open(id)).ready();
    expect(client.types().filter((type) => type === "preview_snapshot")).toHaveLength(1);
    expect(client.types()).not.toContain("message_part");
    writer.append(delta("last"));
    await client.until((c) => c.types().at(-1) === "message_part");
    expect(previewText(client)).toMatch(/^0 1 2 .* 4999 last$/);
    client.subscription?.close();
  });

  it("gets nothing of the attempts and turns before it, however much they said (C14)", async () => {
    const id = await world.running();
    await world.turn(
      id,
      Array.from({ length: 2_000 }, (_, at) => `old ${at} `),
    );
    await world.send(id, "more");
    await world.own(id);
    const failed = await world.attempt(id);
    for (let i = 0; i < 2_000; i++) failed.writer.append(delta(`failed ${i} `));
    failed.writer.close();
    await fail(failed.key);
    const { writer } = await world.attempt(id);
    writer.append(delta("now"));
    const client = await (await world.open(id)).ready();
    const live = client.events.filter(
      ({ type }) => type === "message_part" || type === "preview_snapshot",
    );
    expect(live).toHaveLength(1);
    expect(previewText(client)).toBe("now");
    client.subscription?.close();
  });

  it("gets it from another's feed without a read", async () => {
    const id = await world.running();
    const { writer } = await world.attempt(id);
    writer.append(delta("so far"));
    const first = await (await world.open(id)).ready();
    const before = world.database.stats.snapshot();
    const second = await (await world.open(id)).ready();
    expect(world.database.stats.since(before).total.statements).toBe(0);
    expect(previewText(second)).toBe("so far");
    first.subscription?.close();
    second.subscription?.close();
  });

  it("who comes back gets only what he missed", async () => {
    const id = await world.running();
    const { writer } = await world.attempt(id);
    writer.append(delta("a"));
    const client = await (await world.open(id)).ready();
    writer.append(delta("b"));
    const cursor = client.events.at(-1)?.cursor ?? null;
    writer.append(delta("c"));
    writer.append(delta("d"));
    client.subscription?.close();
    const again = await (await world.open(id, cursor)).ready();
    expect(again.types()).toEqual(["message_part", "message_part", "ready"]);
    for (let i = 0; i < 300; i++) writer.append(delta("e"));
    again.subscription?.close();
    const late = await (await world.open(id, cursor)).ready();
    expect(late.types()).toEqual(["preview_snapshot", "ready"]);
    late.subscription?.close();
  });
});

describe("an interruption", () => {
  it("keeps the partial and drops the preview with it", async () => {
    const id = await world.running();
    const client = await (await world.open(id)).ready();
    const { key, writer } = await world.attempt(id);
    writer.append(delta("half an ans"));
    await world.update(id, async (bundle) => await interrupt(bundle, { hold: false }));
    await client.until((c) => foldEvents(c.events).status?.status === "interrupting");
    expect(previewText(client)).toBe("half an ans");
    world.parts.close(key);
    const { history_version, generation_attempt } = key;
    const parts = keptPartial(world.parts.newestWithParts(id, history_version)?.parts ?? []);
    await world.update(id, async (bundle) => {
      await finishInterruption(bundle, {
        partial: [
          {
            role: "assistant",
            parts,
            finish_reason: "interrupted",
            episode: { history_version, generation_attempt },
          },
        ],
      });
    });
    await client.until((c) => foldEvents(c.events).status?.status === "waiting");
    const transcript = foldEvents(client.events);
    expect(transcript.preview).toBeNull();
    expect(client.types()).not.toContain("preview_reset");
    expect(transcript.messages).toEqual(await world.history(id));
    client.subscription?.close();
  });

  it("that keeps nothing says so", async () => {
    const id = await world.running();
    const client = await (await world.open(id)).ready();
    const { writer } = await world.attempt(id);
    writer.append({
      type: "tool-call",
      index: 0,
      tool_call_id: "c",
      tool_name: "t",
      input_delta: "{",
    });
    await world.update(id, async (bundle) => await interrupt(bundle, { hold: false }));
    await world.update(id, async (bundle) => {
      await finishInterruption(bundle, { partial: [] });
    });
    await client.until((c) => c.types().includes("preview_reset"));
    const reset = client.events.find((event) => event.type === "preview_reset");
    expect(reset?.data).toEqual({ reason: "interrupted" });
    expect(foldEvents(client.events).preview).toBeNull();
    client.subscription?.close();
  });
});

describe("a failed attempt", () => {
  it("stays on the screen until the next has its first part", async () => {
    const id = await world.running();
    const client = await (await world.open(id)).ready();
    const first = await world.attempt(id);
    first.writer.append(delta("first try"));
    first.writer.close();
    await fail(first.key);
    await client.until((c) => c.types().includes("retry"));

    const joiner = await (await world.open(id)).ready();
    expect(previewText(joiner)).toBe("first try");
    expect(foldEvents(joiner.events).retry?.kind).toBe("server");

    const second = await world.attempt(id);
    const later = await (await world.open(id)).ready();
    for (const c of [client, joiner, later]) {
      await c.until(() => foldEvents(c.events).retry === null);
      expect(previewText(c)).toBe("first try");
    }
    second.writer.append(delta("second"));
    for (const c of [client, joiner, later]) {
      await c.until(() => previewText(c) === "second");
      expect(c.types().slice(-2)).toEqual(["preview_reset", "message_part"]);
      const reset = c.events.at(-2);
      expect(reset?.type === "preview_reset" && reset.data.reason).toBe("superseded");
      c.subscription?.close();
    }
  });

  it("that ends the turn and keeps nothing is dropped as failed (C15)", async () => {
    const id = await world.running();
    const client = await (await world.open(id)).ready();
    const { writer } = await world.attempt(id);
    writer.append(delta("lost"));
    await world.update(id, async (bundle) => {
      await finishError(bundle, { error: { kind: "auth", message: "no", retryable: false } });
    });
    await client.until((c) => c.types().includes("preview_reset"));
    expect(client.types().slice(-3)).toEqual(["status", "error", "preview_reset"]);
    expect(client.events.at(-1)?.data).toEqual({ reason: "failed" });
    client.subscription?.close();
  });
});

describe("an edit in the middle of a reply", () => {
  it("drops the reply's text with the messages", async () => {
    const id = await world.running("first");
    const client = await (await world.open(id)).ready();
    const { writer } = await world.attempt(id);
    writer.append(delta("to the first"));
    await client.until((c) => previewText(c) !== null);
    const [first] = await world.history(id);
    await world.update(id, async (bundle) => {
      await editMessage(bundle, {
        message_id: first?.id as number,
        parts: text("changed"),
        client_id: null,
        created_by: null,
        keep_queue: false,
      });
    });
    await client.until((c) => c.types().includes("preview_reset"));
    expect(client.events.at(-1)?.data).toEqual({ reason: "edited" });
    writer.append(delta("too late"));
    const { writer: next } = await world.attempt(id);
    next.append(delta("to the change"));
    await client.until((c) => previewText(c) === "to the change");
    expect(foldEvents(client.events).messages).toEqual(await world.history(id));
    client.subscription?.close();
  });
});

describe("a replica that has just started", () => {
  it("shows what the dead one's checkpoint kept, until the new attempt speaks (C06, C07)", async () => {
    const id = await world.running();
    const port = createCheckpoints(world.database);
    const { clock } = world;
    const loop = new CheckpointLoop({ parts: world.parts, port, clock, logger: silentLogger });
    const before = await (await world.open(id)).ready();
    const first = await world.attempt(id);
    for (const word of ["said ", "before ", "the crash"]) first.writer.append(delta(word));
    await loop.flush();
    first.writer.append(delta(", lost"));
    await before.until((c) => previewText(c) === "said before the crash, lost");

    const parts = new PartBuffer({ clock, logger: silentLogger });
    const streams = new ChatStreams({
      database: world.database,
      clock,
      random: seededRandom(1),
      logger: silentLogger,
      episodes: parts,
      checkpoints: port,
    });
    const open = async (cursor: string | null): Promise<TestClient> => {
      const client = newChatClient();
      const chat = await world.chat(id);
      await streams.open({ chat, principalId: world.owner, cursor, sink: client });
      return await client.ready();
    };
    const joiner = await open(null);
    expect(previewText(joiner)).toBe("said before the crash");
    const back = await open(before.events.at(-1)?.cursor ?? null);
    // What is on the screen stays there, though the checkpoint knows less.
    expect(back.types()).toEqual(["ready"]);

    const chat = await world.chat(id);
    parts.adopt(first.key, 3, [{ type: "text", text: "said before the crash" }]);
    const next = { ...first.key, generation_attempt: chat.generation_attempt + 1 };
    await world.sql(
      `update parley.chats set generation_attempt = generation_attempt + 1,
         snapshot_version = snapshot_version + 1 where id = '${id}'`,
    );
    streams.perhaps(id);
    const writer = parts.open(next, world.runner);
    writer.append(delta("again"));
    for (const c of [joiner, back]) {
      await c.until(
        () => c.types().includes("message_part") || c.types().at(-1) === "preview_snapshot",
      );
      expect(c.types().slice(-2)[0]).toBe("preview_reset");
    }
    const whole = foldEvents(back.events, foldEvents(before.events));
    expect(whole.preview?.parts).toEqual([{ type: "text", text: "again" }]);
    await streams.stop();
    parts.stop();
    before.subscription?.close();
    await loop.stop();
  });
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLogger } from "../lib/logger.ts";
import { ManualClock } from "../lib/manual-clock.ts";
import { CheckpointLoop } from "../parts/checkpoint-loop.ts";
import { PartBuffer } from "../parts/part-buffer.ts";
import type { CheckpointPort, EpisodeKey } from "../parts/ports.ts";
import { delta, StreamWorld } from "../../test/stream-world.ts";
import { createCheckpoints } from "./checkpoints.ts";

let world: StreamWorld;
let port: CheckpointPort;

beforeAll(async () => {
  world = await StreamWorld.create();
  port = createCheckpoints(world.database);
});

afterAll(async () => await world.drop());

interface Row {
  first_seq: number;
  last_seq: number;
  live_parts: unknown[];
}

const stored = async ({ chat_id, generation_attempt }: EpisodeKey): Promise<Row[]> =>
  await world.rows<Row>(
    `select first_seq, last_seq, live_parts from parley.episode_checkpoints
     where chat_id = $1 and generation_attempt = $2 order by first_seq`,
    [chat_id, generation_attempt],
  );

function replica(): { parts: PartBuffer; loop: CheckpointLoop; clock: ManualClock } {
  const clock = new ManualClock();
  const parts = new PartBuffer({ clock, logger: silentLogger });
  return { parts, clock, loop: new CheckpointLoop({ parts, port, clock, logger: silentLogger }) };
}

async function attempt(): Promise<EpisodeKey> {
  return (await world.attempt(await world.running())).key;
}

describe("checkpoints", () => {
  it("append what has grown, coalesced, with one statement for all episodes", async () => {
    const { parts, loop } = replica();
    const keys = [await attempt(), await attempt(), await attempt()];
    const writers = keys.map((key) => parts.open(key, world.runner));
    for (const writer of writers) for (const word of ["a", "b", "c"]) writer.append(delta(word));
    const before = world.database.stats.snapshot();
    await loop.flush();
    const { operations } = world.database.stats.since(before);
    expect(operations["checkpoints.write"]).toMatchObject({ writes: 1, statements: 1 });
    for (const writer of writers) writer.append(delta("d"));
    writers[0]?.append({ type: "text", index: 0, text: "abcd" });
    await loop.flush();
    const [first] = keys as [EpisodeKey];
    expect(await stored(first)).toEqual([
      { first_seq: 1, last_seq: 3, live_parts: [delta("abc")] },
      {
        first_seq: 4,
        last_seq: 5,
        live_parts: [delta("d"), { type: "text", index: 0, text: "abcd" }],
      },
    ]);
    const read = await port.read(first.chat_id, first.history_version);
    expect(read).toEqual({
      generation_attempt: 1,
      last_seq: 5,
      parts: [{ type: "text", text: "abcd" }],
    });
    const idle = world.database.stats.snapshot();
    await loop.flush();
    expect(world.database.stats.since(idle).total.statements).toBe(0);
    parts.stop();
  });

  it("are written every second while there is something to write", async () => {
    const { parts, loop, clock } = replica();
    const key = await attempt();
    const writer = parts.open(key, world.runner);
    loop.start();
    writer.append(delta("x"));
    await clock.advance(1_000);
    await clock.waitForTimer("parts.checkpoint");
    expect(await stored(key)).toHaveLength(1);
    await loop.stop();
    parts.stop();
  });

  it("are written whole where the stored end does not fit, as after a crash of the database", async () => {
    const { parts, loop } = replica();
    const key = await attempt();
    const writer = parts.open(key, world.runner);
    writer.append(delta("one "));
    await loop.flush();
    writer.append(delta("two "));
    await loop.flush();
    await world.sql(`truncate parley.episode_checkpoints`);
    writer.append(delta("three"));
    writer.append({
      type: "tool-call",
      index: 1,
      tool_call_id: "c",
      tool_name: "t",
      input_delta: "{",
    });
    await loop.flushEpisode(key);
    expect(await stored(key)).toHaveLength(1);
    writer.append({
      type: "tool-call",
      index: 1,
      tool_call_id: "c",
      tool_name: "t",
      input_delta: "}",
    });
    await loop.flush();
    const read = await port.read(key.chat_id, key.history_version);
    expect(read?.parts).toEqual(parts.read(key)?.parts);
    expect(read?.last_seq).toBe(5);
    parts.stop();
  });

  it("of a runner, version or attempt that the row does not name are not written, and not tried again", async () => {
    const { parts, loop } = replica();
    const key = await attempt();
    const writer = parts.open(key, "00000000-0000-7000-8000-000000000009");
    writer.append(delta("stale"));
    await loop.flush();
    expect(await stored(key)).toEqual([]);
    writer.append(delta("staler"));
    const before = world.database.stats.snapshot();
    await loop.flush();
    expect(world.database.stats.since(before).total.statements).toBe(0);
    parts.stop();
  });

  it("are tried again after a failure, with what came since", async () => {
    const clock = new ManualClock();
    const parts = new PartBuffer({ clock, logger: silentLogger });
    let failing = true;
    const flaky: CheckpointPort = {
      ...port,
      write: async (tails) => {
        if (failing) throw new Error("the database is away");
        return await port.write(tails);
      },
    };
    const loop = new CheckpointLoop({ parts, port: flaky, clock, logger: silentLogger });
    const key = await attempt();
    const writer = parts.open(key, world.runner);
    writer.append(delta("a"));
    await expect(loop.flush()).rejects.toThrow("away");
    writer.append(delta("b"));
    loop.start();
    await clock.advance(1_000);
    writer.append(delta("c"));
    failing = false;
    await clock.waitForTimer("parts.checkpoint");
    await loop.flushEpisode(key);
    expect(await stored(key)).toEqual([{ first_seq: 1, last_seq: 3, live_parts: [delta("abc")] }]);
    await loop.stop();
    parts.stop();
  });

  it("of the newest attempt with parts are read, up to a hole, and only of this version", async () => {
    const id = await world.running();
    const { key } = await world.attempt(id);
    await world.sql(
      `insert into parley.episode_checkpoints
         (chat_id, history_version, generation_attempt, first_seq, last_seq, live_parts)
       values ('${id}', ${key.history_version}, 1, 1, 2, '[{"type":"text","index":0,"delta":"old"}]'),
         ('${id}', ${key.history_version}, 2, 1, 2, '[{"type":"text","index":0,"delta":"ne"}]'),
         ('${id}', ${key.history_version}, 2, 3, 3, '[{"type":"text","index":0,"delta":"w"}]'),
         ('${id}', ${key.history_version}, 2, 5, 5, '[{"type":"text","index":0,"delta":"hole"}]'),
         ('${id}', ${key.history_version}, 3, 1, 1, '[]'),
         ('${id}', ${key.history_version + 1}, 9, 1, 1, '[{"type":"text","index":0,"delta":"other"}]')`,
    );
    const read = await port.read(id, key.history_version);
    expect(read).toEqual({
      generation_attempt: 2,
      last_seq: 3,
      parts: [{ type: "text", text: "new" }],
    });
    await port.sweep();
    expect(await port.read(id, key.history_version)).toEqual(read);
    expect(await port.read(id, key.history_version + 1)).toBeNull();
  });
});

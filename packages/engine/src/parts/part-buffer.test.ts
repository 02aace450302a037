import { fold, type LivePart, type Part } from "@parley/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assert } from "../lib/assert.ts";
import { silentLogger } from "../lib/logger.ts";
import { ManualClock } from "../lib/manual-clock.ts";
import { ringPartsMax } from "./growth.ts";
import { PartBuffer, type PartBufferOptions } from "./part-buffer.ts";
import type { EpisodeKey, EpisodeListener } from "./ports.ts";

const key: EpisodeKey = { chat_id: "c", history_version: 5, generation_attempt: 1 };

function make(options: Partial<PartBufferOptions> = {}): {
  buffer: PartBuffer;
  clock: ManualClock;
} {
  const clock = new ManualClock();
  return { clock, buffer: new PartBuffer({ clock, logger: silentLogger, ...options }) };
}

const delta = (text: string, index = 0): LivePart => ({ type: "text", index, delta: text });

/** Holds invariant 5: contiguous, nothing twice, or a snapshot and what follows it. */
class Reader implements EpisodeListener {
  seq: number;
  readonly parts_: Part[] = [];
  snapshots = 0;
  isClosed = false;
  last: LivePart | undefined;

  constructor(fromSeq = 1, parts: readonly Part[] = []) {
    this.seq = fromSeq - 1;
    this.parts_.push(...parts);
  }

  parts(firstSeq: number, parts: readonly LivePart[]): void {
    assert(firstSeq === this.seq + 1, `${firstSeq} after ${this.seq}`);
    this.seq += parts.length;
    this.last = parts.at(-1);
    this.parts_.splice(0, Infinity, ...fold([...liveOf(this.parts_), ...parts]));
  }

  snapshot(seq: number, parts: readonly Part[]): void {
    assert(seq > this.seq, "a snapshot of the past");
    this.snapshots += 1;
    this.seq = seq;
    this.parts_.splice(0, Infinity, ...parts);
  }

  closed(): void {
    assert(!this.isClosed, "closed twice");
    this.isClosed = true;
  }
}

const liveOf = (parts: readonly Part[]): LivePart[] =>
  parts.map((part, index) =>
    part.type === "tool-call" && part.partial
      ? {
          type: "tool-call",
          index,
          tool_call_id: part.tool_call_id,
          tool_name: part.tool_name,
          input_delta: part.input_text ?? "",
        }
      : { ...part, index },
  );

/** Live parts of a reply as a model sends it: each part's deltas, then the whole. */
const episode: fc.Arbitrary<LivePart[]> = fc
  .array(
    fc.record({
      deltas: fc.array(fc.string(), { minLength: 1, maxLength: 4 }),
      tool: fc.boolean(),
      ends: fc.boolean(),
    }),
    { maxLength: 5 },
  )
  .map((parts) =>
    parts.flatMap(({ deltas, tool, ends }, index): LivePart[] => {
      const named = { tool_call_id: `call${index}`, tool_name: "t" };
      const live = deltas.map((text): LivePart =>
        tool ? { type: "tool-call", index, ...named, input_delta: text } : delta(text, index),
      );
      if (!ends) return live;
      const whole: LivePart = tool
        ? { type: "tool-call", index, ...named, input: { deltas } }
        : {
            type: "text",
            index,
            text: deltas.join(""),
            provider_metadata: { p: { signed: true } },
          };
      return [...live, { type: "tool-progress", tool_call_id: "x", progress: 1 }, whole];
    }),
  );

describe("an episode", () => {
  it("gives every reader the same, whenever it comes and from wherever it goes on", () => {
    fc.assert(
      fc.property(episode, fc.array(fc.nat({ max: 30 })), (parts, joins) => {
        const { buffer } = make();
        const writer = buffer.open(key, "r");
        const readers: Reader[] = [];
        parts.forEach((part, i) => {
          for (const join of joins.filter((at) => at === i)) {
            const from = Math.min(join, writer.seq) + 1;
            const reader = new Reader(from, fold(parts.slice(0, from - 1)));
            readers.push(reader);
            buffer.subscribe(key, from, reader);
          }
          writer.append(part);
        });
        const whole = new Reader();
        buffer.subscribe(key, 1, whole);
        writer.close();
        const view = buffer.read(key);
        expect(view?.seq ?? 0).toBe(parts.length);
        expect(view?.parts ?? []).toEqual(fold(parts));
        for (const reader of [...readers, whole]) {
          expect(reader.parts_).toEqual(fold(parts));
          expect(reader.seq).toBe(parts.length);
          expect(reader.isClosed).toBe(true);
        }
        // And its checkpoint folds to the same.
        const tail = buffer.episode(key)?.takeTail();
        expect(fold(tail?.parts ?? [])).toEqual(fold(parts));
        expect(fold(buffer.episode(key)?.takeWhole().live_parts ?? [])).toEqual(fold(parts));
        buffer.stop();
      }),
    );
  });

  it("gives one who was away for long its fold, and then what follows", () => {
    const { buffer } = make();
    const writer = buffer.open(key, "r");
    for (let i = 0; i < ringPartsMax + 10; i++) writer.append(delta("x"));
    const near = new Reader(ringPartsMax, [{ type: "text", text: "x".repeat(ringPartsMax - 1) }]);
    const far = new Reader(5, [{ type: "text", text: "xxxx" }]);
    for (const reader of [near, far]) buffer.subscribe(key, reader.seq + 1, reader);
    expect([near.snapshots, far.snapshots]).toEqual([0, 1]);
    writer.append(delta("y"));
    expect(far.parts_).toEqual([{ type: "text", text: `${"x".repeat(ringPartsMax + 10)}y` }]);
    expect(near.parts_).toEqual(far.parts_);
    buffer.stop();
  });

  it("that is not there yet is waited for, and forgotten when nobody waits", () => {
    const { buffer } = make();
    const reader = new Reader();
    const stop = buffer.subscribe(key, 1, reader);
    expect(buffer.read(key)?.seq).toBe(0);
    const leave = buffer.subscribe({ ...key, generation_attempt: 2 }, 1, new Reader());
    leave();
    expect(buffer.stats().episodes).toBe(1);
    buffer.open(key, "r").append(delta("hello"));
    expect(reader.seq).toBe(1);
    stop();
    buffer.stop();
  });

  it("closed before it was opened stops a late writer", () => {
    const { buffer } = make();
    buffer.close(key);
    const writer = buffer.open(key, "r");
    writer.append(delta("too late"));
    expect(buffer.read(key)).toMatchObject({ seq: 0, parts: [], closed: true });
    buffer.stop();
  });

  it("has one writer", () => {
    const { buffer } = make();
    const mine = buffer.open(key, "mine");
    buffer.open(key, "other").append(delta("no"));
    mine.append(delta("yes"));
    expect(buffer.read(key)?.parts).toEqual([{ type: "text", text: "yes" }]);
    buffer.stop();
  });

  it("is not hurt by a reader that throws", () => {
    const { buffer } = make();
    const good = new Reader();
    buffer.subscribe(key, 1, {
      parts() {
        throw new Error("bug");
      },
      snapshot() {},
      closed() {},
    });
    buffer.subscribe(key, 1, good);
    const writer = buffer.open(key, "r");
    writer.append(delta("a"));
    writer.append(delta("b"));
    expect(good.seq).toBe(2);
    buffer.stop();
  });
});

describe("the caps", () => {
  it("end an episode with one word about it, and assign no further seq (C31)", () => {
    const { buffer } = make({ episodeBytesMax: 10 });
    const reader = new Reader();
    buffer.subscribe(key, 1, reader);
    const writer = buffer.open(key, "r");
    writer.append(delta("12345678"));
    // The committed form replaces what its deltas weighed.
    writer.append({ type: "text", index: 0, text: "12345678" });
    writer.append(delta("too much", 1));
    writer.append(delta("x", 1));
    expect(writer.seq).toBe(3);
    expect(reader.last).toEqual({ type: "truncated" });
    expect(buffer.read(key)).toMatchObject({ truncated: true, seq: 3, closed: false });
    expect(buffer.stats().bytes).toBe(8);
    buffer.stop();
  });

  it("of the replica make room by dropping what is over", () => {
    const { buffer } = make({ totalBytesMax: 100 });
    const at = (history_version: number): EpisodeKey => ({ ...key, history_version });
    const first = buffer.open(at(1), "r");
    first.append(delta("a".repeat(80)));
    first.close();
    buffer.open(at(2), "r").append(delta("b".repeat(60)));
    expect(buffer.read(at(1))).toBeUndefined();
    expect(buffer.read(at(2))?.truncated).toBe(false);
    const other = { ...key, chat_id: "d" };
    buffer.open(other, "r").append(delta("c".repeat(60)));
    expect(buffer.read(other)?.truncated).toBe(true);
    expect(buffer.stats().bytes).toBe(60);
    buffer.stop();
  });
});

describe("what is kept", () => {
  it("is the newest attempt with parts, until its version is over, then 15 s more", async () => {
    const { buffer, clock } = make();
    const at = (generation_attempt: number): EpisodeKey => ({ ...key, generation_attempt });
    const first = buffer.open(at(1), "r");
    first.append(delta("first"));
    first.close();
    buffer.open(at(2), "r");
    await clock.advance(60_000);
    expect(buffer.newestWithParts("c", 5)?.key.generation_attempt).toBe(1);
    const second = buffer.open(at(2), "r");
    second.append(delta("second"));
    await clock.advance(20_000);
    expect(buffer.read(at(1))).toBeUndefined();
    expect(buffer.newestWithParts("c", 5)?.parts).toEqual([{ type: "text", text: "second" }]);
    buffer.historyMoved("c", 6);
    second.close();
    await clock.advance(14_000);
    expect(buffer.read(at(2))).toBeDefined();
    await clock.advance(6_000);
    expect(buffer.stats()).toEqual({ bytes: 0, episodes: 0 });
    expect(clock.pending()).toEqual([]);
  });

  it("is what somebody reads", async () => {
    const { buffer, clock } = make();
    const writer = buffer.open(key, "r");
    writer.append(delta("x"));
    writer.close();
    const stop = buffer.subscribe(key, 1, new Reader());
    buffer.historyMoved("c", 6);
    await clock.advance(60_000);
    expect(buffer.read(key)).toBeDefined();
    stop();
    await clock.advance(5_000);
    expect(buffer.read(key)).toBeUndefined();
    buffer.stop();
  });

  it("ends though nobody says that the version is over (C31)", async () => {
    const { buffer, clock } = make();
    for (let i = 0; i < 100; i++) {
      const writer = buffer.open({ ...key, chat_id: `chat${i}` }, "r");
      writer.append(delta("x"));
      writer.close();
    }
    await clock.advance(10 * 60_000);
    expect(buffer.stats()).toEqual({ bytes: 0, episodes: 0 });
    expect(clock.pending()).toEqual([]);
  });

  it("of a dead owner is taken over whole, and not continued", () => {
    const { buffer } = make();
    const waiting = new Reader();
    buffer.subscribe(key, 1, waiting);
    buffer.adopt(key, 7, [{ type: "text", text: "recovered" }]);
    expect(waiting).toMatchObject({ seq: 7, isClosed: true });
    buffer.open(key, "r").append(delta("no"));
    expect(buffer.newestWithParts("c", 5)).toMatchObject({ seq: 7, closed: true });
    expect(buffer.episode(key)?.grown).toBe(false);
    buffer.stop();
  });
});

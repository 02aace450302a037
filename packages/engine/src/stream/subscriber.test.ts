import { describe, expect, it } from "vitest";
import { assert } from "../lib/assert.ts";
import { silentLogger } from "../lib/logger.ts";
import { CursorPrefix, nowhere, type PreviewPosition } from "./cursor.ts";
import { Encoded, Payload } from "./encode.ts";
import { LiveEvent, LiveLine } from "./live-line.ts";
import type { EncodedEvent } from "./ports.ts";
import { sameTurnMs, Subscriber } from "./subscriber.ts";
import { TurnEnd } from "./turn.ts";

const scope = {
  chatId: "0190a6f0-7b3c-7d2e-8f00-0123456789ab",
  database: { systemIdentifier: "7300000000000000001", timeline: 1 },
};
const episode = { history_version: 5, generation_attempt: 1 };
const line = new LiveLine(scope, { ...nowhere, preview: { ...episode, seq: 0 } }, episode);

/** A subscriber whose turns of the loop end when told to. */
function make(): {
  subscriber: Subscriber;
  writes: string[][];
  say(...seqs: number[]): void;
  /** The next part comes so much later. */
  later(ms: number): void;
  endTurn(): void;
  turns: number[];
} {
  const writes: string[][] = [];
  const ends: (() => void)[] = [];
  const turns: number[] = [];
  let now = 0;
  const subscriber = new Subscriber({
    principalId: "p",
    owner: true,
    logger: silentLogger,
    turnEnd: new TurnEnd((fn) => void ends.push(fn)),
    snapshot: () => null,
    onClosed() {},
    sink: {
      write(events: readonly EncodedEvent[]) {
        writes.push(events.map(nameOf));
        return true;
      },
      close: (reason) => void writes.push([reason]),
    },
  });
  return {
    subscriber,
    writes,
    turns,
    say(...seqs) {
      for (const seq of seqs) {
        const at: PreviewPosition = { ...episode, seq };
        subscriber.live(new LiveEvent(line, seq, "{}", true), at, now);
      }
    },
    later(ms) {
      now += ms;
    },
    endTurn() {
      turns.push(ends.length);
      for (const end of ends.splice(0)) end();
    },
  };
}

function nameOf(event: EncodedEvent): string {
  if (event.type !== "message_part") return event.type;
  const { seq } = JSON.parse(event.dataJson()) as PreviewPosition;
  return String(seq);
}

describe("a subscriber", () => {
  it("is written the first part of a turn at once, and those that follow in it together", () => {
    const { subscriber, writes, say, endTurn, turns } = make();
    subscriber.start();
    endTurn();
    say(1);
    expect(writes).toEqual([["1"]]);
    say(2, 3, 4);
    expect(writes).toEqual([["1"]]);
    endTurn();
    expect(writes).toEqual([["1"], ["2", "3", "4"]]);
    say(5);
    expect(writes.at(-1)).toEqual(["5"]);
    endTurn();
    expect(turns).toEqual([1, 1, 0]);
  });

  it("is written parts that come one by one at once, and asks for the end of no turn", () => {
    const { subscriber, writes, say, later, endTurn, turns } = make();
    subscriber.start();
    endTurn();
    for (const seq of [1, 2, 3]) {
      say(seq);
      later(sameTurnMs);
    }
    expect(writes).toEqual([["1"], ["2"], ["3"]]);
    endTurn();
    expect(turns).toEqual([1, 0]);
  });

  it("is written a part that comes soon after another at the end of its turn, whichever that is", () => {
    const { subscriber, writes, say, later, endTurn } = make();
    subscriber.start();
    endTurn();
    say(1);
    endTurn();
    later(sameTurnMs / 2);
    say(2);
    later(sameTurnMs);
    say(3);
    expect(writes).toEqual([["1"]]);
    endTurn();
    expect(writes).toEqual([["1"], ["2", "3"]]);
  });

  it("gets what is more important in its order, and without delay", () => {
    const { subscriber, writes, say, endTurn } = make();
    subscriber.start();
    endTurn();
    say(1, 2);
    subscriber.push([new Encoded(new Payload("status", {}), null)]);
    expect(writes).toEqual([["1"], ["2", "status"]]);
    say(3, 4);
    subscriber.end("reconnect");
    expect(writes.slice(2)).toEqual([["3", "4"], ["reconnect"]]);
    endTurn();
    expect(writes).toHaveLength(4);
  });

  it("gets a burst of one turn in pieces, and never as a snapshot", () => {
    const { subscriber, writes, say, endTurn } = make();
    subscriber.start();
    endTurn();
    const seqs = Array.from({ length: 1_000 }, (_, i) => i + 1);
    say(...seqs);
    endTurn();
    expect(writes.flat()).toEqual(seqs.map(String));
    expect(writes.length).toBeLessThan(20);
  });

  it("is not written anything before the turn in which it was opened is over", () => {
    const { subscriber, writes, say, endTurn } = make();
    subscriber.start();
    say(1);
    expect(writes).toEqual([]);
    endTurn();
    expect(writes).toEqual([["1"]]);
  });
});

it("the event of a live part is what the general way makes of it", () => {
  const at = { ...episode, seq: 7 };
  const part = { type: "text", index: 0, delta: 'a\u2028"b' };
  const cursors = new CursorPrefix(scope, { ...nowhere, preview: at });
  const slow = new Encoded(new Payload("message_part", { ...at, part }), () => cursors.cursor(7));
  const fast = new LiveEvent(line, 7, JSON.stringify(part), false);
  assert(slow.cursor !== undefined, "it has a cursor");
  expect([fast.type, fast.cursor, fast.json(), fast.dataJson()]).toEqual([
    slow.type,
    slow.cursor,
    slow.json(),
    slow.dataJson(),
  ]);
});

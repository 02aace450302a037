import { describe, expect, test } from "vitest";
import { ManualClock } from "../../lib/manual-clock.ts";
import type { EncodedEvent } from "../../stream/ports.ts";
import { StreamSession, type Wire } from "./stream-session.ts";

const event = (type: string): EncodedEvent => ({
  type,
  cursor: type,
  isPlain: false,
  json: () => JSON.stringify({ type }),
  dataJson: () => "{}",
});

/** A wire whose socket holds three events and is emptied by a test. */
class TestWire implements Wire {
  readonly log: string[] = [];
  buffered = 0;

  send(events: readonly EncodedEvent[]): boolean {
    this.log.push(events.map(({ type }) => type).join("+"));
    this.buffered += events.length;
    return this.buffered < 3;
  }
  ping(): void {
    this.log.push("ping");
  }
  end(reason: string): void {
    this.log.push(`end ${reason}`);
  }
  destroy(): void {
    this.log.push("destroy");
  }
}

function setUp() {
  const clock = new ManualClock();
  const session = new StreamSession({ clock, pingMs: 15_000 });
  const wire = new TestWire();
  const calls: string[] = [];
  const subscription = {
    drained: () => void calls.push("drained"),
    close: () => void calls.push("close"),
  };
  return { clock, session, wire, calls, subscription };
}

describe("pressure", () => {
  test("holds back while the socket is full, and tells once it has room", () => {
    const { session, wire, calls, subscription } = setUp();
    session.attach(wire, subscription);
    expect(session.write([event("a"), event("b")])).toBe(true);
    expect(session.write([event("c")])).toBe(false);
    expect(calls).toEqual([]);
    wire.buffered = 0;
    session.drained();
    expect(calls).toEqual(["drained"]);
    expect(session.write([event("d")])).toBe(true);
    session.drained();
    expect(calls).toEqual(["drained"]);
  });

  test("what comes before the connection stands is kept, in order", () => {
    const { session, wire, calls, subscription } = setUp();
    expect(session.write([event("a")])).toBe(false);
    expect(session.write([event("b")])).toBe(false);
    session.attach(wire, subscription);
    expect(wire.log).toEqual(["a+b"]);
    expect(calls).toEqual(["drained"]);
  });

  test("and more of it than the socket holds is pressure, too", () => {
    const { session, wire, calls, subscription } = setUp();
    session.write([event("a"), event("b"), event("c")]);
    session.attach(wire, subscription);
    expect([wire.log, calls]).toEqual([["a+b+c"], []]);
    session.drained();
    expect(calls).toEqual(["drained"]);
  });

  test("nobody is told of room once the stream is over", () => {
    const { session, wire, calls, subscription } = setUp();
    session.attach(wire, subscription);
    session.write([event("a"), event("b"), event("c")]);
    session.close("reconnect");
    session.drained();
    expect(calls).toEqual([]);
  });
});

describe("the end", () => {
  test("by the subscription: the reason is told, nothing is written any more, late peers are cut off", async () => {
    const { clock, session, wire, calls, subscription } = setUp();
    session.attach(wire, subscription);
    session.close("slow_consumer");
    session.close("reconnect");
    session.write([event("late")]);
    expect(wire.log).toEqual(["end slow_consumer"]);
    expect(calls).toEqual([]);
    await clock.advance(20_000);
    expect(wire.log).toEqual(["end slow_consumer", "destroy"]);
  });

  test("by the server: the subscription hears of it", () => {
    const { session, wire, calls, subscription } = setUp();
    session.attach(wire, subscription);
    session.end("forbidden");
    expect(wire.log).toEqual(["end forbidden"]);
    expect(calls).toEqual(["close"]);
  });

  test("by the client: nothing is left, timers least of all", () => {
    const { clock, session, wire, calls, subscription } = setUp();
    let over = 0;
    session.onOver(() => over++);
    session.attach(wire, subscription);
    session.gone();
    session.gone();
    session.end("reconnect");
    expect([over, calls, wire.log, clock.pending()]).toEqual([1, ["close"], [], []]);
    session.onOver(() => over++);
    expect(over).toBe(2);
  });

  test("by the client that answers the goodbye: the timer goes too", () => {
    const { clock, session, wire, subscription } = setUp();
    session.attach(wire, subscription);
    session.end("reconnect");
    session.gone();
    expect(clock.pending()).toEqual([]);
  });

  test("before the connection stands", () => {
    for (const end of ["end", "close"] as const) {
      const { session, wire, calls, subscription } = setUp();
      session[end]("reconnect");
      session.attach(wire, subscription);
      expect(wire.log).toEqual(["end reconnect"]);
      expect(calls).toEqual(["close"]);
    }
    const { session, wire, subscription } = setUp();
    session.gone();
    session.attach(wire, subscription);
    expect(wire.log).toEqual(["destroy"]);
  });
});

test("it shows that it lives, as long as it does", async () => {
  const { clock, session, wire, subscription } = setUp();
  session.attach(wire, subscription);
  await clock.advance(31_000);
  expect(wire.log).toEqual(["ping", "ping"]);
  session.gone();
  await clock.advance(31_000);
  expect(wire.log).toEqual(["ping", "ping"]);
});

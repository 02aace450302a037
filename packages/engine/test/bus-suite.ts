import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Bus } from "../src/bus/bus.ts";
import type { ChatHint } from "../src/domain/commit.ts";
import { seededRandom } from "../src/lib/random.ts";

/** One way to make buses that hear each other. */
export interface BusDriver {
  /** A replica's end. */
  bus(replicaId: string): Bus;
}

interface Replica {
  readonly bus: Bus;
  readonly hints: ChatHint[];
  readonly resyncs: () => number;
  /** Resolves as soon as the condition holds; looked at after everything that is received. */
  until(condition: () => boolean): Promise<void>;
}

const random = seededRandom("bus");

function hintOf(snapshot_version: number): ChatHint {
  return { chat_id: random.uuid(), snapshot_version, metadata_version: 1, unowned: true };
}

function replicaOf(bus: Bus): Replica {
  const hints: ChatHint[] = [];
  let resyncs = 0;
  const waiting = new Set<() => void>();
  const changed = (): void => {
    for (const look of waiting) look();
  };
  bus.subscribe({
    hint(hint) {
      hints.push(hint);
      changed();
    },
    resync() {
      resyncs += 1;
      changed();
    },
  });
  const until = async (condition: () => boolean): Promise<void> =>
    await new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  bus.start();
  return { bus, hints, resyncs: () => resyncs, until };
}

/** What every driver must do. What none may promise (that a hint arrives, once, in order) is not asked for. */
export function describeBus(driver: BusDriver): void {
  describe("the bus", () => {
    let a: Replica;
    let b: Replica;

    beforeEach(async () => {
      a = replicaOf(driver.bus("a"));
      b = replicaOf(driver.bus("b"));
      await Promise.all([a, b].map(async ({ until, resyncs }) => await until(() => resyncs() > 0)));
    });

    afterEach(async () => {
      await Promise.all([a, b].map(async ({ bus }) => await bus.stop()));
    });

    test("asks everybody to look when it has connected, and carries a hint to the others only", async () => {
      const sent = hintOf(3);
      a.bus.publish(sent);
      await b.until(() => b.hints.length === 1);
      const back = hintOf(4);
      b.bus.publish(back);
      await a.until(() => a.hints.length === 1);
      expect(b.hints).toEqual([sent]);
      expect(a.hints).toEqual([back]);
    });

    test("carries more than one message holds, and the newest of a storm on one chat", async () => {
      const one = hintOf(0);
      for (let n = 1; n <= 500; n++) a.bus.publish({ ...one, snapshot_version: n });
      const many = Array.from({ length: 2_000 }, (_, n) => hintOf(n));
      for (const each of many) a.bus.publish(each);
      const last = many.at(-1) as ChatHint;
      await b.until(() => b.hints.at(-1)?.chat_id === last.chat_id);
      const storm = b.hints.filter(({ chat_id }) => chat_id === one.chat_id);
      expect(storm.at(-1)?.snapshot_version).toBe(500);
      expect(b.hints.filter(({ chat_id }) => chat_id !== one.chat_id)).toEqual(many);
    });

    test("a listener that has left hears nothing", async () => {
      const heard: ChatHint[] = [];
      const leave = b.bus.subscribe({ hint: (hint) => heard.push(hint), resync() {} });
      leave();
      a.bus.publish(hintOf(1));
      await b.until(() => b.hints.length === 1);
      expect(heard).toEqual([]);
    });

    test("publishing to a bus that is stopped or was never started does no harm", async () => {
      const idle = driver.bus("c");
      idle.publish(hintOf(1));
      await a.bus.stop();
      a.bus.publish(hintOf(2));
      await idle.stop();
    });
  });
}

/** What a driver that has a connection must do besides. `disconnect` breaks every connection of the bus. */
export function describeReconnection(driver: BusDriver, disconnect: () => Promise<void>): void {
  test("connects again after a loss, asks everybody to look, and carries what comes after", async () => {
    const [a, b] = [replicaOf(driver.bus("a")), replicaOf(driver.bus("b"))];
    await Promise.all([a, b].map(async ({ until, resyncs }) => await until(() => resyncs() > 0)));
    const before = [a.resyncs(), b.resyncs()] as const;
    await disconnect();
    await Promise.all([
      a.until(() => a.resyncs() > before[0]),
      b.until(() => b.resyncs() > before[1]),
    ]);
    const sent = hintOf(9);
    a.bus.publish(sent);
    await b.until(() => b.hints.length > 0);
    expect(b.hints).toEqual([sent]);
    await Promise.all([a, b].map(async ({ bus }) => await bus.stop()));
  }, 30_000);
}

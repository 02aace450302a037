import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ChannelBus } from "../src/bus/channel-bus.ts";
import type { HintChannel, OpenChannel } from "../src/bus/channel.ts";
import { announceMs } from "../src/bus/presence.ts";
import { decodeHints } from "../src/bus/wire.ts";
import type { ChatHint } from "../src/domain/commit.ts";
import { silentLogger } from "../src/lib/logger.ts";
import { ManualClock } from "../src/lib/manual-clock.ts";
import { seededRandom } from "../src/lib/random.ts";

const random = seededRandom("presence");

function newHint(): ChatHint {
  return { chat_id: random.uuid(), snapshot_version: 1, metadata_version: 1, unowned: false };
}

/** Resolves as soon as a condition holds; looked at after everything that is heard. */
class Heard {
  readonly payloads: { origin: string; hints: readonly ChatHint[] }[] = [];
  #look: () => void = () => {};

  hear(payload: string): void {
    const batch = decodeHints(payload);
    if (batch !== null) this.payloads.push(batch);
    this.#look();
  }

  hints(): string[] {
    return this.payloads.flatMap(({ hints }) => hints.map(({ chat_id }) => chat_id));
  }

  async until(condition: (heard: this) => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#look = () => {
        if (condition(this)) resolve();
      };
      this.#look();
    });
  }
}

/** A replica's end of the bus, with a clock of its own, behind a network that can be cut. */
class Replica {
  readonly id: string;
  readonly clock = new ManualClock();
  readonly heard = new Heard();
  readonly bus: ChannelBus;
  isCut = false;

  constructor(id: string, channel: HintChannel) {
    this.id = id;
    const network: HintChannel = {
      payloadBytesMax: channel.payloadBytesMax,
      open: async (handlers) => {
        const received = (payload: string): void => {
          if (this.isCut && decodeHints(payload)?.origin !== id) return;
          handlers.received(payload);
          this.heard.hear(payload);
        };
        const open = await channel.open({ ...handlers, received });
        const send = async (payloads: readonly string[]): Promise<void> => {
          if (!this.isCut) await open.send(payloads);
        };
        return { send, close: async () => await open.close() };
      },
    };
    const { clock } = this;
    this.bus = new ChannelBus({
      replicaId: id,
      channel: network,
      clock,
      random,
      logger: silentLogger,
    });
    this.bus.start();
  }

  async started(): Promise<this> {
    await this.clock.waitForTimer("bus.announce");
    return this;
  }

  /** Its next announcement has been sent. */
  async announce(): Promise<void> {
    await this.clock.advance(announceMs);
    await this.clock.waitForTimer("bus.announce");
  }
}

/** What any channel's bus must do where replicas come and go. */
export function describePresence(channelOf: () => HintChannel): void {
  describe("a replica", () => {
    let stops: (() => Promise<unknown>)[] = [];
    let observed: Heard;
    let a: Replica;

    async function replica(id: string): Promise<Replica> {
      const made = new Replica(id, channelOf());
      stops.push(async () => await made.bus.stop());
      return await made.started();
    }

    /** Both have said that they are there, one after the other, so often that who is heard by nobody knows it. */
    async function silence(...replicas: Replica[]): Promise<void> {
      /* oxlint-disable no-await-in-loop */
      for (let n = 0; n < 3; n++) for (const each of replicas) await each.announce();
      /* oxlint-enable no-await-in-loop */
    }

    /** Everything that `from` has sent so far has been seen on the channel. */
    async function seenUntilNow(from: Replica): Promise<void> {
      const before = observed.payloads.filter(({ origin }) => origin === from.id).length;
      await from.announce();
      await observed.until(
        ({ payloads }) => payloads.filter(({ origin }) => origin === from.id).length > before,
      );
    }

    beforeEach(async () => {
      observed = new Heard();
      const open: OpenChannel = await channelOf().open({
        received: (payload) => observed.hear(payload),
        lost() {},
      });
      stops = [async () => await open.close()];
      a = await replica("a");
    });

    afterEach(async () => {
      await Promise.all(stops.map(async (stop) => await stop()));
    });

    test("that is alone tells nobody of what it commits, only that it is there", async () => {
      const early = newHint();
      a.bus.publish(early);
      await observed.until((heard) => heard.hints().includes(early.chat_id));
      await silence(a);
      expect(a.bus.alone).toBe(true);
      for (let n = 0; n < 20; n++) a.bus.publish(newHint());
      await seenUntilNow(a);
      expect(observed.hints()).toEqual([early.chat_id]);
    });

    test("tells of its commits from the moment that another one starts", async () => {
      await silence(a);
      const lost = newHint();
      a.bus.publish(lost);
      const b = await replica("b");
      await a.heard.until(({ payloads }) => payloads.some(({ origin }) => origin === "b"));
      expect(a.bus.alone).toBe(false);
      const sent = newHint();
      a.bus.publish(sent);
      await b.heard.until((heard) => heard.hints().includes(sent.chat_id));
      expect(b.heard.hints()).not.toContain(lost.chat_id);
    });

    test("that is cut off thinks that it is alone, and is not any more when it is back", async () => {
      const b = await replica("b");
      for (const each of [a, b]) each.isCut = true;
      await silence(a, b);
      expect([a.bus.alone, b.bus.alone]).toEqual([true, true]);
      for (const each of [a, b]) each.isCut = false;
      const [heardByA, heardByB] = [a.heard.payloads.length, b.heard.payloads.length];
      await a.announce();
      await b.heard.until(({ payloads }) => payloads.slice(heardByB).some((p) => p.origin === "a"));
      await b.announce();
      await a.heard.until(({ payloads }) => payloads.slice(heardByA).some((p) => p.origin === "b"));
      expect([a.bus.alone, b.bus.alone]).toEqual([false, false]);
      const [ofA, ofB] = [newHint(), newHint()];
      a.bus.publish(ofA);
      b.bus.publish(ofB);
      await b.heard.until((heard) => heard.hints().includes(ofA.chat_id));
      await a.heard.until((heard) => heard.hints().includes(ofB.chat_id));
    });
  });
}

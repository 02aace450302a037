import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  episode,
  numbered,
  Recorder,
  TestFleet,
  testSecret,
  text,
  textOf,
  type TestReplica,
} from "../../../test/relay-network.ts";
import type { EpisodeListener, Following } from "../../parts/ports.ts";
import { seededRandom } from "../../lib/random.ts";
import { PeerSecret } from "./credentials.ts";
import { dialMs, idleMs, keepAliveMs, retryBackoff, silenceMs } from "./link-state.ts";
import { behindBytes, gatheredBytesMax } from "./outbox.ts";
import { encodeFrame, encodeMessage, encodeParts } from "./wire.ts";

const key = episode("chat");

let fleet: TestFleet;
let near: TestReplica;
let far: TestReplica;

beforeEach(() => {
  fleet = new TestFleet();
  near = fleet.replica("near");
  far = fleet.replica("far");
});

afterEach(async () => {
  await fleet.stop();
});

/** Past any wait between two dials, so that the next one has been made and answered. */
async function pastRetry(): Promise<void> {
  await fleet.clock.advance(retryBackoff.maxMs);
  await fleet.settle();
}

describe("an episode of another replica", () => {
  it("brings buffered parts before live ones, in order, each once", async () => {
    const writer = far.buffer.open(key, "runner");
    for (const part of numbered(5)) writer.append(part);
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    await fleet.settle();
    for (const part of numbered(3, 6)) writer.append(part);
    await fleet.settle();
    writer.close();
    await fleet.settle();
    expect(seen.log).toEqual(["parts 1-5", "parts 6-8", "closed"]);
    expect(seen.text).toBe(textOf(numbered(8)));
  });

  it("is whole when the relay opens in the middle of a stream", async () => {
    const writer = far.buffer.open(key, "runner");
    writer.append(text("1 "));
    fleet.network.faults.set(far.url, "hang");
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    await fleet.settle();
    for (const part of numbered(20, 2)) writer.append(part);
    fleet.network.dials[0]?.complete();
    for (const part of numbered(20, 22)) {
      writer.append(part);
      await fleet.clock.advance(0);
    }
    await fleet.settle();
    expect(seen.text).toBe(textOf(numbered(41)));
    expect(seen.seq).toBe(41);
    expect(seen.log.join()).not.toContain("FAULT");
  });

  it("that does not exist yet is waited for", async () => {
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    await fleet.settle();
    expect(seen.log).toEqual([]);
    far.buffer.open(key, "runner").append(text("hello"));
    await fleet.settle();
    expect(seen.text).toBe("hello");
  });

  it("arrives although the turn ended before the relay was up", async () => {
    fleet.network.faults.set(far.url, "hang");
    const writer = far.buffer.open(key, "runner");
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    for (const part of numbered(4)) writer.append(part);
    writer.close();
    far.buffer.historyMoved(key.chat_id, key.history_version + 1);
    await fleet.clock.advance(3_000);
    fleet.network.dials[0]?.complete();
    await fleet.settle();
    expect(seen.log).toEqual(["parts 1-4", "closed"]);
  });

  it("comes as a snapshot where the owner has forgotten the single parts, then goes on", async () => {
    const writer = far.buffer.open(key, "runner");
    for (const part of numbered(1_000)) writer.append(part);
    const seen = new Recorder();
    const following = near.episodes.follow("far", key, 1, seen);
    await fleet.settle();
    writer.append(text("1001 "));
    await fleet.settle();
    expect(seen.log).toEqual(["snapshot 1000", "parts 1001-1001"]);
    expect(following.view()?.parts).toEqual(far.buffer.read(key)?.parts);
    expect(following.since(1_000)).toEqual([text("1001 ")]);
    expect(following.since(999)).toBeNull();
  });

  it("is delivered from the seq that was asked for, and folded from the first", async () => {
    const writer = far.buffer.open(key, "runner");
    for (const part of numbered(10)) writer.append(part);
    const seen = new Recorder(8);
    const following = near.episodes.follow("far", key, 8, seen);
    await fleet.settle();
    expect(seen.log).toEqual(["parts 8-10"]);
    expect(following.view()).toMatchObject({ seq: 10, closed: false, truncated: false });
    expect(following.view()?.parts).toEqual(far.buffer.read(key)?.parts);
    expect(following.since(6)).toEqual(numbered(4, 7));
  });

  it("says when it was full, also to those who come later", async () => {
    const writer = far.buffer.open(key, "runner");
    const half = "x".repeat(600_000);
    writer.append(text(half));
    writer.append(text(half));
    for (let i = 0; i < 300; i++) writer.append(text("never"));
    const following = near.episodes.follow("far", key, 1, new Recorder());
    await fleet.settle();
    expect(following.view()).toMatchObject({ seq: 2, truncated: true });
  });
});

describe("a link", () => {
  it("is one for all chats of a peer, and a change of episode is a message", async () => {
    const seen = new Recorder();
    const first = near.episodes.follow("far", key, 1, seen);
    for (let i = 0; i < 20; i++)
      near.episodes.follow("far", episode(`chat ${i}`), 1, new Recorder());
    await fleet.settle();
    first.stop();
    const next = new Recorder();
    near.episodes.follow("far", episode("chat", 2), 1, next);
    far.buffer.open(key, "runner").append(text("late"));
    far.buffer.open(episode("chat", 2), "runner").append(text("second"));
    await fleet.settle();
    expect(fleet.network.dials).toHaveLength(1);
    expect(seen.log).toEqual([]);
    expect(next.text).toBe("second");
    expect(near.links.stats()).toEqual({ links: 1, open: 1, follows: 21, dials: 1 });
    expect(far.host.stats()).toMatchObject({ links: 1, follows: 21 });
  });

  it("reconnects after a drop and asks from the last seq on (C29)", async () => {
    const writer = far.buffer.open(key, "runner");
    for (const part of numbered(3)) writer.append(part);
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    await fleet.settle();
    fleet.network.drop(far.url);
    await fleet.settle();
    for (const part of numbered(3, 4)) writer.append(part);
    expect(seen.seq).toBe(3);
    await fleet.clock.advance(retryBackoff.baseMs);
    await fleet.settle();
    expect(seen.log).toEqual(["parts 1-3", "parts 4-6"]);
    expect(fleet.network.connection(far.url).client.sent.join()).toContain('"from_seq":4');
    expect(near.rechecked).toEqual([["chat"]]);
  });

  it("reconnects after several drops in a row", async () => {
    const writer = far.buffer.open(key, "runner");
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    await fleet.settle();
    for (let i = 1; i <= 30; i++) {
      writer.append(text(`${i} `));
      if (i % 2 === 0) await fleet.settle();
      if (i % 3 === 0) fleet.network.drop(far.url);
      await pastRetry();
    }
    expect(seen.text).toBe(textOf(numbered(30)));
    expect(seen.log.join()).not.toContain("FAULT");
    expect(near.links.stats()).toMatchObject({ links: 1, open: 1, dials: 11 });
  });

  it("reads the rows again before it asks again, and moves with them", async () => {
    const third = fleet.replica("third");
    const seen = new Recorder();
    let following: Following = near.episodes.follow("far", key, 1, seen);
    near.episodes.follow("far", episode("other"), 1, new Recorder());
    await fleet.settle();
    const moved = episode("chat", 2);
    near.onRecheck = async () => {
      following.stop();
      following = near.episodes.follow("third", moved, 1, seen);
      await Promise.resolve();
    };
    fleet.network.drop(far.url);
    await pastRetry();
    third.buffer.open(moved, "runner").append(text("over here"));
    await fleet.settle();
    expect(seen.text).toBe("over here");
    const asked = fleet.network.connection(far.url).client.sent.join();
    expect(asked).toContain('"chat_id":"other"');
    expect(asked).not.toContain('"chat_id":"chat"');
  });

  it("asks for nothing until the rows have been read, except for those who came after", async () => {
    near.episodes.follow("far", key, 1, new Recorder());
    await fleet.settle();
    const { promise, resolve } = Promise.withResolvers<void>();
    near.onRecheck = () => promise;
    fleet.network.drop(far.url);
    await fleet.clock.advance(retryBackoff.baseMs);
    near.episodes.follow("far", episode("late"), 1, new Recorder());
    await fleet.settle();
    const { client } = fleet.network.connection(far.url);
    expect(client.sent.join()).toContain('"chat_id":"late"');
    expect(client.sent.join()).not.toContain('"chat_id":"chat"');
    resolve();
    await fleet.settle();
    expect(client.sent.join()).toContain('"chat_id":"chat"');
  });

  it("discards what a connection still brings that was lost", async () => {
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    await fleet.settle();
    const { client } = fleet.network.connection(far.url);
    fleet.network.drop(far.url);
    await pastRetry();
    client.events?.frame(encodeFrame([encodeParts(1, 1, JSON.stringify(text("stale")))]));
    client.events?.frame("garbage");
    client.events?.drained();
    far.buffer.open(key, "runner").append(text("fresh"));
    await fleet.settle();
    expect(seen.text).toBe("fresh");
    expect(near.links.stats()).toMatchObject({ open: 1, dials: 2 });
  });

  it("asks although the database is away when it comes back", async () => {
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    await fleet.settle();
    far.buffer.open(key, "runner").append(text("all "));
    await fleet.settle();
    near.onRecheck = () => Promise.reject(new Error("the database is away"));
    fleet.network.drop(far.url);
    await pastRetry();
    far.buffer.open(key, "runner").append(text("is "));
    await fleet.settle();
    near.onRecheck = () => new Promise(() => {});
    fleet.network.drop(far.url);
    await pastRetry();
    far.buffer.open(key, "runner").append(text("well"));
    await fleet.clock.advance(5_000);
    await fleet.settle();
    expect(seen.text).toBe("all is well");
  });

  it("retries a failed dial, doubling the wait up to its cap", async () => {
    fleet.network.faults.set(far.url, "refuse");
    far.buffer.open(key, "runner").append(text("at last"));
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      await fleet.settle();
      const retry = fleet.clock.pending().find(({ label }) => label === "relay.retry");
      const wait = (retry?.dueAt ?? Number.NaN) - fleet.clock.monotonic();
      waits.push(wait);
      await fleet.clock.advance(wait);
    }
    for (const [i, wait] of waits.entries()) {
      const ceiling = Math.min(retryBackoff.maxMs, retryBackoff.baseMs * 2 ** i);
      expect(wait).toBeGreaterThanOrEqual(ceiling / 2);
      expect(wait).toBeLessThanOrEqual(ceiling);
    }
    fleet.network.faults.delete(far.url);
    await pastRetry();
    expect(seen.text).toBe("at last");
  });

  it("retries when the peer is not registered yet, or the directory fails", async () => {
    fleet.addresses.delete("far");
    far.buffer.open(key, "runner").append(text("there"));
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    await pastRetry();
    expect(fleet.network.dials).toEqual([]);
    fleet.addresses.set("far", far.url);
    await pastRetry();
    expect(seen.text).toBe("there");
  });

  it("that hangs in its dial delays nobody else, and is given up in time (C28)", async () => {
    fleet.network.faults.set(far.url, "hang");
    const third = fleet.replica("third");
    third.buffer.open(key, "runner").append(text("quick"));
    const stuck = new Recorder();
    const quick = new Recorder();
    near.episodes.follow("far", key, 1, stuck);
    near.episodes.follow("third", key, 1, quick);
    near.buffer.open(key, "local").append(text("local"));
    const local = new Recorder();
    near.episodes.follow("near", key, 1, local);
    expect(local.text).toBe("local");
    await fleet.settle();
    expect(quick.text).toBe("quick");
    await fleet.clock.advance(dialMs);
    fleet.network.faults.delete(far.url);
    far.buffer.open(key, "runner").append(text("late"));
    await pastRetry();
    expect(stuck.text).toBe("late");
  });

  it("that hangs in the directory is given up in time too", async () => {
    let answer: ((url: string) => void) | undefined;
    const lookups: string[] = [];
    fleet.addresses.get = (worker) => {
      lookups.push(worker);
      if (lookups.length > 1) return far.url;
      // The fleet's directory awaits whatever it is given.
      return new Promise((resolve) => (answer = resolve)) as unknown as string;
    };
    far.buffer.open(key, "runner").append(text("found"));
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    await fleet.clock.advance(dialMs);
    answer?.("ws://nowhere");
    await pastRetry();
    expect(seen.text).toBe("found");
    expect(fleet.network.dials.map(({ url }) => url)).toEqual([far.url]);
  });

  it("discards a stale dial that completes after an interrupt and a new owner", async () => {
    fleet.network.faults.set(far.url, "hang");
    const third = fleet.replica("third");
    const seen = new Recorder();
    const first = near.episodes.follow("far", key, 1, seen);
    await fleet.settle();
    far.buffer.open(key, "runner").append(text("old"));
    first.stop();
    const next = episode("chat", 1, 9);
    near.episodes.follow("third", next, 1, seen);
    third.buffer.open(next, "runner").append(text("new"));
    fleet.network.dials[0]?.complete();
    await fleet.settle();
    expect(seen.text).toBe("new");
    expect(near.links.stats()).toMatchObject({ links: 2, open: 2, follows: 1 });
  });

  it("discards a dial that completes after it was given up", async () => {
    fleet.network.faults.set(far.url, "hang");
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    await fleet.clock.advance(dialMs);
    await fleet.clock.advance(retryBackoff.baseMs);
    const [first, second] = fleet.network.dials;
    second?.complete();
    await fleet.settle();
    first?.complete();
    far.buffer.open(key, "runner").append(text("once"));
    await fleet.settle();
    expect(seen.log).toEqual(["parts 1-1"]);
    expect(first?.socket.closedWith).toBe("relay_timeout");
    expect(near.links.stats()).toMatchObject({ open: 1, dials: 2 });
  });

  it("makes nothing of an interrupt while its dial is in flight", async () => {
    fleet.network.faults.set(far.url, "hang");
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    await fleet.settle();
    // An interrupt that wins the race: the episode is closed before it was opened.
    far.buffer.close(key);
    fleet.network.dials[0]?.complete();
    await fleet.settle();
    far.buffer.open(key, "runner").append(text("never said"));
    await fleet.settle();
    expect(seen.log).toEqual(["closed"]);
  });

  it("is left when the owner changes from one remote replica to another", async () => {
    const third = fleet.replica("third");
    const seen = new Recorder();
    const old = far.buffer.open(key, "runner");
    old.append(text("first "));
    const following = near.episodes.follow("far", key, 1, seen);
    await fleet.settle();
    following.stop();
    const next = new Recorder();
    near.episodes.follow("third", episode("chat", 2), 1, next);
    old.append(text("stale"));
    third.buffer.open(episode("chat", 2), "runner").append(text("second"));
    await fleet.settle();
    expect(seen.text).toBe("first ");
    expect(next.text).toBe("second");
    await fleet.clock.advance(idleMs);
    await fleet.settle();
    expect(near.links.stats()).toMatchObject({ links: 1, open: 1 });
    expect(far.host.stats().links).toBe(0);
    expect(third.host.stats().links).toBe(1);
  });

  it("is left when the owner becomes this replica", async () => {
    const following = near.episodes.follow("far", key, 1, new Recorder());
    await fleet.settle();
    following.stop();
    const seen = new Recorder();
    near.episodes.follow("near", episode("chat", 2), 1, seen);
    near.buffer.open(episode("chat", 2), "runner").append(text("mine"));
    expect(seen.text).toBe("mine");
    await fleet.clock.advance(idleMs);
    await fleet.settle();
    expect(near.links.stats()).toEqual({ links: 0, open: 0, follows: 0, dials: 1 });
    expect(far.host.stats().links).toBe(0);
  });

  it("that carries nothing closes after a while, and is made again when it is needed", async () => {
    const following = near.episodes.follow("far", key, 1, new Recorder());
    await fleet.settle();
    following.stop();
    await fleet.clock.advance(idleMs - 1);
    expect(near.links.stats().open).toBe(1);
    await fleet.clock.advance(1);
    expect(near.links.stats().links).toBe(0);
    expect(fleet.network.connection(far.url).client.closedWith).toBe("relay_unused");
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    far.buffer.open(key, "runner").append(text("again"));
    await fleet.settle();
    expect(seen.text).toBe("again");
    expect(near.links.stats().dials).toBe(2);
  });

  it("is kept alive in silence, and given up when the peer is not heard", async () => {
    const writer = far.buffer.open(key, "runner");
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    await fleet.clock.advance(10 * silenceMs);
    expect(near.links.stats()).toMatchObject({ open: 1, dials: 1 });
    const { client, server } = fleet.network.connection(far.url);
    client.pause();
    server.pause();
    await fleet.clock.advance(silenceMs + 2 * keepAliveMs);
    expect(client.closedWith).toBe("relay_silent");
    expect(server.closedWith).not.toBeNull();
    await pastRetry();
    writer.append(text("heard"));
    await fleet.settle();
    expect(seen.text).toBe("heard");
    // One direction alone: the side that hears nothing is the one that notices.
    const half = fleet.network.connection(far.url);
    half.client.pause();
    await fleet.clock.advance(silenceMs + keepAliveMs);
    expect(half.server.closedWith).toBe("relay_silent");
  });

  it("leaves nothing behind at the owner", async () => {
    near.episodes.follow("far", episode("never said"), 1, new Recorder());
    await fleet.settle();
    expect(far.buffer.stats().episodes).toBe(1);
    fleet.network.drop(far.url);
    await fleet.settle();
    expect(far.buffer.stats().episodes).toBe(0);
  });

  it("says goodbye when either side stops", async () => {
    near.episodes.follow("far", key, 1, new Recorder());
    await fleet.settle();
    await near.links.stop();
    await fleet.settle();
    expect(far.host.stats()).toMatchObject({ links: 0, follows: 0 });
    const other = fleet.replica("other");
    other.episodes.follow("far", key, 1, new Recorder());
    await fleet.settle();
    far.host.stop();
    await fleet.settle();
    expect(other.links.stats()).toMatchObject({ links: 1, open: 0, follows: 1 });
    expect(fleet.clock.pending().filter(({ label }) => label === "relay.keep_alive")).toEqual([]);
  });

  it("survives a listener that throws, and one that stops in the middle of a delivery", async () => {
    const bad: EpisodeListener = {
      parts: () => {
        throw new Error("a bug of ours");
      },
      snapshot: () => {},
      closed: () => {},
    };
    near.episodes.follow("far", key, 1, bad);
    const seen = new Recorder();
    const once: EpisodeListener = {
      ...bad,
      parts: () => following.stop(),
    };
    const following = near.episodes.follow("far", key, 1, once);
    near.episodes.follow("far", key, 1, seen);
    for (const part of numbered(3)) {
      far.buffer.open(key, "runner").append(part);
      await fleet.settle();
    }
    expect(seen.seq).toBe(3);
    expect(near.links.stats()).toMatchObject({ open: 1, dials: 1, follows: 1 });
    expect(far.host.stats().follows).toBe(1);
  });
});

describe("who may link", () => {
  it("is only who knows the secret", async () => {
    const stranger = fleet.replica("stranger", {
      secret: "another secret, as long as the real one",
    });
    far.buffer.open(key, "runner").append(text("private"));
    const seen = new Recorder();
    stranger.episodes.follow("far", key, 1, seen);
    for (let i = 0; i < 3; i++) await pastRetry();
    expect(seen.log).toEqual([]);
    expect(far.host.stats().links).toBe(0);
    expect(stranger.links.stats().dials).toBeGreaterThan(2);
  });

  it("and may read only from who knows it: a stranger's words are no worker's", async () => {
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    await fleet.settle();
    fleet.network.drop(far.url);
    // Somebody else takes the address, and claims to be the worker.
    fleet.network.hosts.set(far.url, {
      admit: () => ({ admitted: true, proof: null }),
      accept: (socket: { send(frame: string): void }) => {
        const hello = encodeMessage({ kind: "hello", protocol_version: 1, worker_id: "far" });
        socket.send(encodeFrame([hello, encodeParts(1, 1, JSON.stringify(text("lies")))]));
        return { frame: () => {}, drained: () => {}, closed: () => {} };
      },
    } as never);
    await pastRetry();
    expect(seen.log).toEqual([]);
    expect(fleet.network.connection(far.url).client.closedWith).toBe("relay_unproved");
  });

  it("and a recycled address, or one that two replicas share, serves nobody else's parts", async () => {
    const twin = fleet.replica("twin", { url: far.url });
    far.buffer.open(key, "runner").append(text("far's"));
    twin.buffer.open(key, "runner").append(text("twin's"));
    const ofFar = new Recorder();
    const ofTwin = new Recorder();
    near.episodes.follow("far", key, 1, ofFar);
    near.episodes.follow("twin", key, 1, ofTwin);
    await pastRetry();
    expect(ofFar.text).toBe("far's");
    expect(ofTwin.log).toEqual([]);
    // The front of both goes to the other one now; the links that are open stay.
    fleet.network.hosts.set(far.url, twin.host);
    await pastRetry();
    expect(ofTwin.text).toBe("twin's");
    expect(ofFar.text).toBe("far's");
  });

  it("and tells a worker from another by the greeting, where certificates are all there is", async () => {
    const asking = fleet.replica("asking", { secret: null });
    const twin = fleet.replica("twin", { secret: null });
    fleet.addresses.set("gone", twin.url);
    twin.buffer.open(key, "runner").append(text("twin's"));
    const seen = new Recorder();
    asking.episodes.follow("gone", key, 1, seen);
    await fleet.settle();
    expect(fleet.network.connection(twin.url).client.closedWith).toBe("relay_wrong_worker");
    asking.episodes.follow("twin", key, 1, seen);
    await fleet.settle();
    expect(seen.log).toEqual(["parts 1-1"]);
  });

  it("is told before anything is said when he means another worker", () => {
    const secret = new PeerSecret(testSecret);
    const header = (worker: string): string =>
      secret.headerOf(secret.newCredential(worker, seededRandom(worker)));
    expect(far.host.admit(header("near"))).toEqual({ admitted: false, status: 421 });
    expect(far.host.admit(header("far"))).toMatchObject({ admitted: true });
    far.host.stop();
    const again = secret.headerOf(secret.newCredential("far", seededRandom("again")));
    expect(far.host.admit(again)).toEqual({ admitted: false, status: 503 });
    expect(far.host.admit(undefined)).toEqual({ admitted: false, status: 404 });
  });

  it("speaks our version or the one next to it; what is new in it is passed over", async () => {
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    await fleet.settle();
    const { server } = fleet.network.connection(far.url);
    server.send('[{"kind":"weather","rain":true},{"kind":"keep_alive","mood":"good"}]');
    const later = '{"type":"hologram","index":1,"shape":"cube"}';
    const progress = '{"type":"telepathy"}';
    server.send(
      encodeFrame([encodeParts(1, 1, [JSON.stringify(text("a")), later, progress].join())]),
    );
    await fleet.settle();
    expect(seen.preview).toEqual([
      { type: "text", text: "a" },
      { type: "hologram", shape: "cube" },
    ]);
    expect(seen.seq).toBe(3);
    server.send('[{"kind":"hello","protocol_version":3,"worker_id":"far"}]');
    await fleet.settle();
    expect(fleet.network.connections[0]?.client.closedWith).toBe("relay_version");
  });
});

describe("a follower that is behind", () => {
  it("gets a snapshot and what follows it, and costs bounded memory", async () => {
    const writer = far.buffer.open(key, "runner");
    const calm = far.buffer.open(episode("calm"), "runner");
    const seen = new Recorder();
    const other = new Recorder();
    const following = near.episodes.follow("far", key, 1, seen);
    near.episodes.follow("far", episode("calm"), 1, other);
    writer.append(text("0 "));
    await fleet.settle();
    const { server } = fleet.network.connection(far.url);
    server.pause();
    const line = "x".repeat(2_000);
    let backlog = 0;
    for (let i = 0; i < 500; i++) {
      for (let j = 0; j < 4; j++) writer.append({ type: "text", index: 0, delta: "" });
      writer.append(text(line));
      calm.append(text("c"));
      await fleet.clock.advance(0);
      backlog = Math.max(backlog, server.bufferedBytes + far.host.stats().backlogBytes);
    }
    // One frame may go out just before the limit.
    expect(backlog).toBeLessThan(2 * behindBytes + gatheredBytesMax);
    server.resume();
    await fleet.settle();
    server.resume();
    await fleet.settle();
    writer.append(text("end"));
    await fleet.settle();
    expect(seen.log.join()).not.toContain("FAULT");
    expect(other.text).toBe("c".repeat(500));
    expect(following.view()).toEqual(far.buffer.read(key));
    expect(seen.preview).toEqual(far.buffer.read(key)?.parts);
  });

  it("gets snapshots in place of what gathered beyond the limit", async () => {
    const writers = Array.from({ length: 20 }, (_, i) =>
      far.buffer.open(episode(`chat ${i}`), "runner"),
    );
    const seen = writers.map((_, i) => {
      const recorder = new Recorder();
      near.episodes.follow("far", episode(`chat ${i}`), 1, recorder);
      return recorder;
    });
    await fleet.settle();
    const { server } = fleet.network.connection(far.url);
    server.pause();
    for (let i = 0; i < 200; i++) {
      for (const writer of writers) writer.append(text("y".repeat(1_000)));
      await fleet.clock.advance(0);
      expect(far.host.stats().backlogBytes).toBeLessThan(1.1 * gatheredBytesMax);
    }
    expect(far.host.stats().coalesced).toBeGreaterThan(10);
    for (let i = 0; i < 40; i++) {
      server.resume();
      await fleet.settle();
    }
    for (const [i, recorder] of seen.entries()) {
      expect(recorder.preview).toEqual(far.buffer.read(episode(`chat ${i}`))?.parts);
      expect(recorder.log.join()).not.toContain("FAULT");
      expect(recorder.log.some((line) => line.startsWith("snapshot"))).toBe(true);
    }
  });
});

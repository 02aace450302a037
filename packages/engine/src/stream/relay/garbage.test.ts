import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { episode, Recorder, TestFleet, text } from "../../../test/relay-network.ts";
import { retryBackoff } from "./link-state.ts";
import { encodeFollow, encodeFrame, encodeMessage, encodeParts } from "./wire.ts";

const key = episode("chat");
const whole = JSON.stringify(text("x"));
const messages = [
  encodeMessage({ kind: "hello", protocol_version: 1, worker_id: "far" }),
  encodeMessage({ kind: "keep_alive" }),
  encodeFollow(1, key, 1),
  encodeFollow(2, key, 1),
  encodeMessage({ kind: "unfollow", stream: 1 }),
  encodeMessage({ kind: "closed", stream: 1 }),
  encodeParts(1, 1, `${whole},${whole}`),
  encodeParts(1, 9, whole),
  encodeParts(1, 2, '{"type":"text","index":7,"delta":"x"}'),
  encodeParts(1, 2, '{"type":"__proto__","index":0}'),
  encodeMessage({ kind: "snapshot", stream: 1, seq: 5, parts: [], truncated: false }),
  '{"kind":"later"}',
];

/** Frames that make sense, nearly make sense, and make none. */
const frame = fc.oneof(
  fc.array(fc.constantFrom(...messages), { maxLength: 4 }).map(encodeFrame),
  fc
    .tuple(fc.constantFrom(...messages), fc.nat(), fc.string({ maxLength: 4 }))
    .map(([message, at, patch]) => {
      const place = at % message.length;
      return `[${message.slice(0, place)}${patch}${message.slice(place + patch.length)}]`;
    }),
  fc.json(),
  fc.string(),
);

let fleet: TestFleet;

beforeEach(() => {
  fleet = new TestFleet();
});

afterEach(async () => {
  await fleet.stop();
});

describe("whatever a peer says", () => {
  it("the side that dialled closes the link or goes on, and gets everything in the end", async () => {
    const near = fleet.replica("near");
    const far = fleet.replica("far");
    const writer = far.buffer.open(key, "runner");
    const seen = new Recorder();
    near.episodes.follow("far", episode("other"), 1, new Recorder());
    // What is said of our stream would be believed: it gets a number that no garbage hits.
    for (let i = 0; i < 12_345; i++) near.episodes.follow("far", key, 1, seen).stop();
    near.episodes.follow("far", key, 1, seen);
    await fleet.settle();
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 5 }), async (frames) => {
        const { server, client } = fleet.network.connection(far.url);
        for (const garbage of frames) server.send(garbage);
        await fleet.settle();
        if (client.closedWith !== null) expect(client.closedWith).toMatch(/^relay_/);
        await fleet.clock.advance(retryBackoff.maxMs);
        writer.append(text("+"));
        await fleet.settle();
        expect(seen.seq).toBe(writer.seq);
      }),
      { numRuns: 150 },
    );
    expect(seen.log.join()).not.toContain("FAULT");
  });

  it("the side that was dialled closes the link or goes on, and serves the others", async () => {
    const near = fleet.replica("near");
    const far = fleet.replica("far");
    const rude = fleet.replica("rude");
    const writer = far.buffer.open(key, "runner");
    const seen = new Recorder();
    near.episodes.follow("far", key, 1, seen);
    rude.episodes.follow("far", key, 1, new Recorder());
    await fleet.settle();
    const connections = (): typeof fleet.network.connections =>
      fleet.network.connections.filter(({ client }) => client.closedWith === null);
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 5 }), async (frames) => {
        const client = connections().at(-1)?.client;
        for (const garbage of frames) client?.send(garbage);
        await fleet.settle();
        await fleet.clock.advance(retryBackoff.maxMs);
        writer.append(text("+"));
        await fleet.settle();
        expect(seen.seq).toBe(writer.seq);
        expect(far.host.stats().links).toBe(2);
      }),
      { numRuns: 150 },
    );
    expect(near.links.stats().dials).toBe(1);
  });
});

import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RelayError } from "../../src/stream/relay/errors.ts";
import { retryBackoff } from "../../src/stream/relay/link-state.ts";
import { decodeFrame } from "../../src/stream/relay/wire.ts";
import { episode, Recorder, TestFleet, text } from "../relay-network.ts";
import { fuzz, fuzzMsMax } from "./budget.ts";
import { mutated, mutations } from "./mutations.ts";

/** What one replica has really said to another, cut, bent, said again and in another order: an error of the link, or nothing. */

const key = episode("chat");
let fleet: TestFleet;
beforeEach(() => {
  fleet = new TestFleet();
});
afterEach(async () => {
  await fleet.stop();
});

/** A conversation of two replicas about one episode, both sides' frames. */
async function conversation(): Promise<string[]> {
  const [near, far] = [fleet.replica("a"), fleet.replica("b")];
  const writer = far.buffer.open(episode("other"), "runner");
  near.episodes.follow("b", episode("other"), 1, new Recorder());
  for (let at = 0; at < 5; at++) {
    writer.append(text(`part ${at}`));
    await fleet.settle();
  }
  writer.close();
  await fleet.settle();
  const { client, server } = fleet.network.connection(far.url);
  return [...client.sent, ...server.sent];
}

test("frames are understood or refused with a relay error", { timeout: fuzzMsMax }, async () => {
  const said = await conversation();
  expect(said.length).toBeGreaterThan(3);
  const cases = fc.record({ at: fc.nat(said.length - 1), changes: mutations });
  await fuzz("relay frames", cases, 2_000, ({ at, changes }) => {
    try {
      decodeFrame(mutated(Buffer.from(said[at] ?? ""), changes).toString());
    } catch (error) {
      expect(error).toBeInstanceOf(RelayError);
      // What was said is somebody's conversation.
      expect((error as Error).message).not.toContain("part ");
    }
  });
});

test("a link that hears them again goes on, or is made anew", { timeout: fuzzMsMax }, async () => {
  const said = await conversation();
  const [near, far] = [fleet.replica("near"), fleet.replica("far")];
  const writer = far.buffer.open(key, "runner");
  // What is said of our stream would be believed: it gets a number that the frames do not have.
  for (let at = 0; at < 50; at++) near.episodes.follow("far", key, 1, new Recorder()).stop();
  const seen = new Recorder();
  near.episodes.follow("far", key, 1, seen);
  await fleet.settle();
  const frame = fc
    .record({ at: fc.nat(said.length - 1), changes: fc.option(mutations) })
    .map(({ at, changes }) => {
      const real = said[at] ?? "";
      return changes === null ? real : mutated(Buffer.from(real), changes).toString();
    });
  const cases = fc.record({ frames: fc.array(frame, { maxLength: 4 }), drop: fc.boolean() });
  await fuzz("relay link", cases, 120, async ({ frames, drop }) => {
    const { server, client } = fleet.network.connection(far.url);
    for (const each of frames) (drop ? client : server).send(each);
    await fleet.settle();
    if (drop) fleet.network.drop(far.url);
    await fleet.settle();
    await fleet.clock.advance(retryBackoff.maxMs);
    await fleet.settle();
    writer.append(text("+"));
    await fleet.settle();
    expect(seen.seq).toBe(writer.seq);
    expect(near.links.stats().links).toBe(1);
    expect(far.host.stats().links).toBe(1);
  });
  expect(seen.log.join()).not.toContain("FAULT");
});

import { followed } from "../contenders/all.ts";
import { makeChats } from "../rig/cluster.ts";
import { interleave, type BenchOptions, type Result, type Scenario } from "../rig/scenario.ts";
import { onStage } from "../rig/stage.ts";
import { startPeers } from "../rig/peer.ts";
import { floorTalk, parleyTalk, peerTalk, talking } from "../rig/talk.ts";

/** Subscribers of the one chat, and the gap between its parts: some 10,000 deliveries a second, which one core can do. */
const sizes = [
  { subscribers: 100, gapMs: 20, withPeers: false },
  { subscribers: 1_000, gapMs: 100, withPeers: true },
];
const sizesFull = [...sizes, { subscribers: 5_000, gapMs: 500, withPeers: true }];

export const fanOut: Scenario = {
  name: "fan-out",
  rounds: 3,
  about: "one chat with many subscribers, against a bare broadcast",
  async run(options) {
    const results: Result[] = [];
    for (const size of options.full ? sizesFull : sizes) {
      // oxlint-disable-next-line no-await-in-loop
      results.push(await run(options, size));
    }
    return results;
  },
};

async function run(
  options: BenchOptions,
  { subscribers, gapMs, withPeers }: (typeof sizes)[number],
): Promise<Result> {
  return await onStage(async (stage) => {
    const { cluster, start } = stage;
    const bare = await start("floor");
    const owner = await cluster.replica({}, "owner");
    const other = await cluster.replica({ env: { PARLEY_CAPACITY: "0" } }, "other");
    const [here, elsewhere] = [await makeChats(owner, 1), await makeChats(owner, 1)];
    const clients = [
      await start("subscribers"),
      await start("subscribers"),
      await start("subscribers"),
    ] as const;
    const floor = "floor: bare broadcast";
    const n = subscribers;
    const talks = [
      await floorTalk(floor, clients[0], bare, bare, 1, n),
      await parleyTalk("Parley, same replica", floor, clients[1], owner, owner, here, n),
      await parleyTalk("Parley, another replica", floor, clients[2], owner, other, elsewhere, n),
    ];
    const { peers, notes } = await startPeers(stage, withPeers ? followed : []);
    for (const peer of peers) {
      const floors = { local: floor, relayed: floor };
      talks.push(peerTalk(peer, await start("subscribers"), floors, 1, n));
    }
    const measured = await interleave(
      options,
      talks.map((talk) => talking(talk, gapMs, options)),
    );
    const work = `One chat with ${n} subscribers, a part of 60 bytes every ${gapMs} ms; "part" is one delivery to one subscriber`;
    notes.unshift(
      "Deliveries that one core can make are the inverse of the processor time of one; for the other replica it counts both processes, the owner's share included.",
    );
    return { scenario: `fan-out to ${n}`, work, ...measured, notes };
  });
}

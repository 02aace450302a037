import { talkers } from "../contenders/all.ts";
import { makeChats } from "../rig/cluster.ts";
import type { Program } from "../rig/program.ts";
import { interleave, type BenchOptions, type Result, type Scenario } from "../rig/scenario.ts";
import { onStage } from "../rig/stage.ts";
import { startPeers } from "../rig/peer.ts";
import { floorTalk, parleyTalk, peerTalk, talking, type Talk } from "../rig/talk.ts";

const chats = 100;

/**
 * Between the parts of a chat. 200 ms, 500 parts a second together, is what every contender can do; 20 ms is what the
 * targets are judged at; 5 ms, with its clients, is more than two cores do.
 */
const gapsMs = [20, 200];
const gapsMsFull = [5, ...gapsMs];

export const parts: Scenario = {
  name: "parts",
  about:
    "what a replica adds to each live part, where its subscriber is here and where it is elsewhere",
  run,
};

async function run(options: BenchOptions): Promise<Result[]> {
  return await onStage(async (stage) => {
    const { cluster, start } = stage;
    const bare = await start("floor");
    const edge = await start("floor");
    const first = await start("floor", { edge: `${await edge.call<string>("url")}/link` });
    const owner = await cluster.replica({}, "owner");
    const other = await cluster.replica({ env: { PARLEY_CAPACITY: "0" } }, "other");
    // Of their own for each: who follows elsewhere would cost the owner something here, too.
    const here = await makeChats(owner, chats);
    const elsewhere = await makeChats(owner, chats);
    const clients = async (): Promise<Program> => await start("subscribers");
    const local = "floor: one process";
    const relayed = "floor: two processes";
    const stores = [cluster.postgres];
    const { peers, notes } = await startPeers(stage, talkers);
    const talks: Talk[] = [
      await floorTalk(local, await clients(), bare, bare, chats),
      await parleyTalk(
        "Parley, same replica",
        local,
        await clients(),
        owner,
        owner,
        here,
        1,
        stores,
      ),
      await floorTalk(relayed, await clients(), first, edge, chats),
      await parleyTalk(
        "Parley, another replica",
        relayed,
        await clients(),
        owner,
        other,
        elsewhere,
        1,
        stores,
      ),
    ];
    for (const peer of peers) {
      talks.push(peerTalk(peer, await clients(), { local, relayed }, chats));
    }
    const results: Result[] = [];
    for (const gapMs of options.full ? gapsMsFull : gapsMs) {
      const contenders = talks.map((talk) => talking(talk, gapMs, options));
      const work = `${chats} chats with one subscriber each, a part of 60 bytes every ${gapMs} ms in each`;
      // oxlint-disable-next-line no-await-in-loop
      const measured = await interleave(options, contenders);
      results.push({ scenario: `parts every ${gapMs} ms`, work, ...measured, notes });
    }
    return results;
  });
}

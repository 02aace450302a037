import { makeChats } from "../rig/cluster.ts";
import type { Program } from "../rig/program.ts";
import { interleave, type BenchOptions, type Result, type Scenario } from "../rig/scenario.ts";
import { onStage } from "../rig/stage.ts";
import { durableStreamsTalk, floorTalk, parleyTalk, talking } from "../rig/talk.ts";

const chats = 100;

/** 5 ms is what the target names: 20,000 parts a second, with their clients more than two cores do. */
const gapMs = 20;
const gapMsFull = 5;

export const parts: Scenario = {
  name: "parts",
  about:
    "what a replica adds to each live part, where its subscriber is here and where it is elsewhere",
  run,
};

async function run(options: BenchOptions): Promise<Result[]> {
  return await onStage(async ({ cluster, start }) => {
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
    const peer = await durableStreamsTalk(start, chats);
    const talks = [
      await floorTalk(local, await clients(), bare, bare, chats),
      await parleyTalk("Parley, same replica", local, await clients(), owner, owner, here),
      await floorTalk(relayed, await clients(), first, edge, chats),
      await parleyTalk(
        "Parley, another replica",
        relayed,
        await clients(),
        owner,
        other,
        elsewhere,
      ),
      ...(peer === null ? [] : [peer]),
    ];
    const gap = options.full ? gapMsFull : gapMs;
    const measured = await interleave(
      options,
      talks.map((talk) => talking(talk, gap, options)),
    );
    const work = `${chats} chats with one subscriber each, a part of 60 bytes every ${gap} ms in each`;
    const notes = peer === null ? ["No peers: `npm install` in packages/engine/bench/peers."] : [];
    return [{ scenario: "parts", work, ...measured, notes }];
  });
}

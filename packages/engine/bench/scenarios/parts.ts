import { Cluster, makeChats } from "../rig/cluster.ts";
import { Program } from "../rig/program.ts";
import { interleave, type BenchOptions, type Result, type Scenario } from "../rig/scenario.ts";
import { floorTalk, parleyTalk, talking } from "../rig/talk.ts";

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
  const cluster = await Cluster.start();
  const started: Program[] = [];
  const start = async (file: string, settings = {}): Promise<Program> => {
    const program = await Program.start(file, settings);
    started.push(program);
    return program;
  };
  try {
    const bare = await start("floor");
    const edge = await start("floor");
    const first = await start("floor", { edge: `${await edge.call<string>("url")}/link` });
    const owner = await cluster.replica({}, "owner");
    const other = await cluster.replica({ env: { PARLEY_CAPACITY: "0" } }, "other");
    // Of their own for each: who follows elsewhere would cost the owner something here, too.
    const [here, elsewhere] = [await makeChats(owner, chats), await makeChats(owner, chats)];
    const local = "floor: one process";
    const relayed = "floor: two processes";
    const talks = [
      await floorTalk(local, await start("subscribers"), bare, bare, chats),
      await parleyTalk(
        "Parley, same replica",
        local,
        await start("subscribers"),
        owner,
        owner,
        here,
      ),
      await floorTalk(relayed, await start("subscribers"), first, edge, chats),
      await parleyTalk(
        "Parley, another replica",
        relayed,
        await start("subscribers"),
        owner,
        other,
        elsewhere,
      ),
    ];
    const gap = options.full ? gapMsFull : gapMs;
    const measured = await interleave(
      options,
      talks.map((talk) => talking(talk, gap, options)),
    );
    const work = `${chats} chats with one subscriber each, a part of 60 bytes every ${gap} ms in each`;
    return [{ scenario: "parts", work, ...measured, notes: [] }];
  } finally {
    await Promise.all(started.map(async (program) => await program.kill()));
    await cluster.stop();
  }
}

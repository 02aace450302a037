import type { StatsSnapshot } from "../../src/postgres/stats.ts";
import { followed } from "../contenders/all.ts";
import type { Return, Target } from "../programs/subscribers.ts";
import { each, idle, makeChats } from "../rig/cluster.ts";
import { costOf } from "../rig/cost.ts";
import type { Quantiles } from "../rig/figures.ts";
import { startPeers, type Peer } from "../rig/peer.ts";
import type { Program } from "../rig/program.ts";
import {
  interleave,
  type Contender,
  type Figures,
  type Result,
  type Scenario,
} from "../rig/scenario.ts";
import { onStage } from "../rig/stage.ts";
import { until } from "../rig/time.ts";

const chats = 100;
const perChat = 10;
/** Said in every chat before the cut, and one more while nobody is connected. */
const parts = 5;
const gapMs = 500;
const word = "missed by all";

export const reconnect: Scenario = {
  name: "reconnect",
  about: "a thousand subscribers of running chats come back elsewhere at once, with their cursors",
  rounds: 3,
  run: async (options) => [
    await onStage(async (stage): Promise<Result> => {
      const { cluster, start } = stage;
      const there = await cluster.replica({}, "there");
      const subscribers = await start("subscribers");
      const ids = await makeChats(there, chats);
      const parley = async (): Promise<Figures> => {
        const here = await cluster.replica({ env: { PARLEY_CAPACITY: "0" } }, "here");
        const message = { content: "Go on.", model: "bench/paced" };
        await each(ids, (id) => there.client.sendMessage(id, message));
        await until("every chat speaks", async () => {
          return (await there.program.call<number>("speaking")) === chats;
        });
        const targets = ids.map((id) => here.target(id, perChat));
        await follow(subscribers, there.program, targets, "cursor");
        await here.program.kill();
        await there.program.call("say", word);
        const before = await there.program.call<StatsSnapshot>("stats");
        const back = await comeBack(
          subscribers,
          ids.map((id) => there.target(id, perChat)),
          "cursor",
        );
        const after = await there.program.call<StatsSnapshot>("stats");
        await there.program.call("stop");
        await subscribers.call("close");
        await idle(there);
        return { ...back, "reads each": costOf([before], [after]).reads / (chats * perChat) };
      };
      const contenders: Contender[] = [{ name: "Parley", measure: parley }];
      const { peers, notes } = await startPeers(stage, followed);
      for (const peer of peers) contenders.push(contender(peer, await start("subscribers")));
      const measured = await interleave(options, contenders);
      const work = `${chats} chats with ${perChat} subscribers each, ${parts} parts said in each; one more is said after the cut; from the cut until each has that one`;
      notes.unshift(
        "Parley's subscribers lose a replica that is killed and go to another; those of peers lose their connections only.",
      );
      return { scenario: "reconnect", work, ...measured, notes };
    }),
  ],
};

function contender(peer: Peer, subscribers: Program): Contender {
  const { name, source } = peer;
  return {
    name,
    async measure() {
      try {
        const targets = (await peer.begin(chats)).map((one) => ({ ...one, count: perChat }));
        await follow(subscribers, source, targets);
        await source.call("say", word);
        return await comeBack(subscribers, targets);
      } finally {
        await source.call("stop");
        await subscribers.call("close");
      }
    },
  };
}

async function follow(
  subscribers: Program,
  source: Program,
  targets: readonly Target[],
  position?: Target["position"],
): Promise<void> {
  await subscribers.call("begin");
  await subscribers.call("connect", targets.map(withPosition(position)));
  await source.call("start", { gapMs });
  const all = parts * chats * perChat;
  await until("everyone has what was said", async () => {
    return (await subscribers.call<number>("count")) >= all;
  });
  await source.call("pause");
}

async function comeBack(
  subscribers: Program,
  targets: readonly Target[],
  position?: Target["position"],
): Promise<Figures> {
  const asked: Return = { targets: targets.map(withPosition(position)), word };
  const back = await subscribers.call<Quantiles & { failures: number }>("comeBack", asked);
  const { p50, p99, max, failures } = back;
  return { "p50 ms": p50, "p99 ms": p99, "last ms": max, failures };
}

function withPosition(position: Target["position"]): (target: Target) => Target {
  return (target) => ({ ...target, ...(position !== undefined && { position }) });
}

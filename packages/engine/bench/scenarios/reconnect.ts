import { join } from "node:path";
import type { StatsSnapshot } from "../../src/postgres/stats.ts";
import { followed } from "../contenders/all.ts";
import type { Return, Target } from "../programs/subscribers.ts";
import { each, idle, makeChats, type Cluster, type Member } from "../rig/cluster.ts";
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

/** How subscribers lose what they had. */
interface Loss {
  /** The replica that they follow at first. */
  readonly from: (cluster: Cluster, there: Member) => Promise<Member>;
  readonly cut: (member: Member, subscribers: Program) => Promise<unknown>;
}

const connections: Loss = {
  from: async (_cluster, there) => await Promise.resolve(there),
  cut: async (_member, subscribers) => await subscribers.call("cut"),
};

const replica: Loss = {
  from: async (cluster) => await cluster.replica({ env: { PARLEY_CAPACITY: "0" } }, "here"),
  cut: async ({ program }) => await program.kill(),
};

export const reconnect: Scenario = {
  name: "reconnect",
  about: "a thousand subscribers of running chats come back at once, with their cursors",
  rounds: 3,
  run: async (options) => [
    await onStage(async (stage): Promise<Result> => {
      const { cluster, start } = stage;
      const there = await cluster.replica({}, "there");
      const ids = await makeChats(there, chats);
      const own: Own = { cluster, there, ids, subscribers: await start("subscribers") };
      const contenders: Contender[] = [
        parley("Parley, connections cut", connections, own, options.profile),
        parley("Parley, replica killed", replica, own, options.profile),
      ];
      const { peers, notes } = await startPeers(stage, followed);
      for (const peer of peers) contenders.push(contender(peer, await start("subscribers")));
      const measured = await interleave(options, contenders);
      const work = `${chats} chats with ${perChat} subscribers each, ${parts} parts said in each; one more is said after the cut; from coming back until each has that one`;
      notes.unshift(
        "Connections are cut at the clients' end and made again to the same process, Parley's as peers'. Subscribers of a replica that is killed go to another, which knows nothing of them.",
      );
      return { scenario: "reconnect", work, ...measured, notes };
    }),
  ],
};

interface Own {
  readonly cluster: Cluster;
  /** Drives the chats, and is come back to. */
  readonly there: Member;
  readonly ids: readonly string[];
  readonly subscribers: Program;
}

function parley(name: string, loss: Loss, own: Own, profile: string | null): Contender {
  const { cluster, there, ids, subscribers } = own;
  const all = chats * perChat;
  let round = 0;
  const measure = async (): Promise<Figures> => {
    const profiled = profile !== null && round++ === 1;
    const from = await loss.from(cluster, there);
    await each(ids, (id) =>
      there.client.sendMessage(id, { content: "Go on.", model: "bench/paced" }),
    );
    await until("every chat speaks", async () => {
      return (await there.program.call<number>("speaking")) === chats;
    });
    const targetsOf = (member: Member): Target[] => ids.map((id) => member.target(id, perChat));
    await follow(subscribers, there.program, targetsOf(from), "cursor");
    await loss.cut(from, subscribers);
    await there.program.call("say", word);
    if (profiled) await there.program.call("profile");
    const before = await spentBy(there);
    const back = await comeBack(subscribers, targetsOf(there), "cursor");
    const after = await spentBy(there);
    if (profiled) {
      const file = `${name.replaceAll(/[ ,]+/g, "-")}.cpuprofile`;
      await there.program.call("profiled", join(profile, file));
    }
    await there.program.call("stop");
    await subscribers.call("close");
    await idle(there);
    return {
      ...back,
      "CPU µs each": (after.cpu - before.cpu) / all,
      "reads each": costOf([before.stats], [after.stats]).reads / all,
    };
  };
  return { name, measure };
}

async function spentBy({ program }: Member): Promise<{ cpu: number; stats: StatsSnapshot }> {
  return { cpu: await program.cpu(), stats: await program.call<StatsSnapshot>("stats") };
}

function contender(peer: Peer, subscribers: Program): Contender {
  const { name, source } = peer;
  return {
    name,
    async measure() {
      try {
        const targets = (await peer.begin(chats)).map((one) => ({ ...one, count: perChat }));
        await follow(subscribers, source, targets);
        await subscribers.call("cut");
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

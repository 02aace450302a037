import type { StatsSnapshot } from "../../src/postgres/stats.ts";
import type { Lived } from "../programs/people.ts";
import { makeChats } from "../rig/cluster.ts";
import { costOf } from "../rig/cost.ts";
import { interleave, type Result, type Scenario } from "../rig/scenario.ts";
import { onStage } from "../rig/stage.ts";

/** The large one takes minutes for a round on two cores. */
const small = { chats: 300, turns: 5 };
const large = { chats: 600, turns: 10 };
const poolSize = 10;

export const storm: Scenario = {
  name: "storm",
  rounds: 3,
  about: "follow-ups of many chats sent at the same moment, to two replicas with small pools",
  run: async (options) => [
    await onStage(async ({ cluster, start }): Promise<Result> => {
      const { chats, turns } = options.full ? large : small;
      const env = { PARLEY_POOL_SIZE: String(poolSize) };
      const members = [
        await cluster.replica({ env }, "a"),
        await cluster.replica({ env }, "b"),
      ] as const;
      const [a, b] = members;
      const people = await start("people");
      const ids = await makeChats(a, chats);
      // A quarter each: sent to and followed on either replica.
      const places = ids.map((id, i) => {
        const [owner, edge] = [i % 2 < 1 ? a : b, i % 4 < 2 ? a : b];
        return owner.place(id, "bench/short", edge);
      });
      await people.call("come", places);
      const stats = async (): Promise<StatsSnapshot[]> =>
        await Promise.all(
          members.map(async ({ program }) => await program.call<StatsSnapshot>("stats")),
        );
      const measure = async (): Promise<Record<string, number>> => {
        const before = await stats();
        for (const { program } of members) await program.call("watchPool");
        const waves: Lived[] = [];
        for (let turn = 0; turn < turns; turn++) {
          waves.push(await people.call<Lived>("live", { atOnce: chats, turns: 1 }));
        }
        const pools = await Promise.all(
          members.map(async ({ program }) => await program.call<Pool>("pool")),
        );
        const cost = costOf(before, await stats());
        const done = waves.reduce((sum, wave) => sum + wave.turns, 0);
        return {
          "reads per turn": cost.reads / done,
          "stream reads per turn": cost.streamReads / done,
          "write transactions per turn": cost.writes / done,
          "first part p50 ms": Math.max(...waves.map(({ first }) => first.p50)),
          "first part p99 ms": Math.max(...waves.map(({ first }) => first.p99)),
          "turns/s": done / (waves.reduce((sum, wave) => sum + wave.ms, 0) / 1000),
          "waiting for a connection, most": Math.max(...pools.map(({ waitingMax }) => waitingMax)),
          "work waited ms, longest": Math.max(...pools.map(({ waitedMsMax }) => waitedMsMax.work)),
          "upkeep waited ms, longest": Math.max(
            ...pools.map(({ waitedMsMax }) => waitedMsMax.upkeep),
          ),
          "pool used up for ms, longest": Math.max(...pools.map(({ usedUpMsMax }) => usedUpMsMax)),
          "share of time used up": Math.max(...pools.map(({ usedUpShare }) => usedUpShare)),
          failures: waves.reduce((sum, wave) => sum + wave.failures, 0),
        };
      };
      const measured = await interleave(options, [{ name: "Parley, two replicas", measure }]);
      const work = `${chats} chats, ${turns} turns each, the messages of a turn sent to all at the same moment; two replicas with ${poolSize} connections each; half of the chats are followed on the replica that does not drive them; per figure the worst of a round's turns`;
      return { scenario: "storm", work, ...measured, notes: [] };
    }),
  ],
};

interface Pool {
  readonly waitingMax: number;
  readonly waitedMsMax: { readonly work: number; readonly upkeep: number };
  /** The time in which no connection was free, not even for upkeep. */
  readonly usedUpMsMax: number;
  readonly usedUpShare: number;
}

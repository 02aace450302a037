import type { StatsSnapshot } from "../../src/postgres/stats.ts";
import type { Lived } from "../programs/people.ts";
import { makeChats, type Member } from "../rig/cluster.ts";
import { costOf } from "../rig/cost.ts";
import type { Program } from "../rig/program.ts";
import { interleave, type Contender, type Result, type Scenario } from "../rig/scenario.ts";
import { onStage } from "../rig/stage.ts";

const chats = 16;

export const turns: Scenario = {
  name: "turns",
  about: "plain turns per second, what each costs the processor and asks of the database",
  run: async (options) => [
    await onStage(async ({ cluster, start }): Promise<Result> => {
      const floor = await start("commits", { databaseUrl: cluster.databaseUrl });
      const owner = await cluster.replica({}, "owner");
      const edge = await cluster.replica({ env: { PARLEY_CAPACITY: "0" } }, "edge");
      const name = "floor: three commits";
      const bare: Contender = {
        name,
        async measure() {
          const before = await floor.call<number>("cpu");
          const done = await floor.call<number>("run", { ms: options.roundMs, lanes: chats });
          const cpu = (await floor.call<number>("cpu")) - before;
          return {
            "turns/s": done / (options.roundMs / 1000),
            "CPU ms per turn": cpu / 1000 / done,
          };
        },
      };
      const contenders = [
        bare,
        await contender(
          "Parley, same replica",
          name,
          await start("people"),
          owner,
          owner,
          options.roundMs,
        ),
        await contender(
          "Parley, streams elsewhere",
          name,
          await start("people"),
          owner,
          edge,
          options.roundMs,
        ),
      ];
      const measured = await interleave(options, contenders);
      const work = `${chats} people who send a message, read the answer and send the next, as fast as it goes; the model is in the process and answers at once`;
      const notes = [
        "Turns per second and core of the replica are the inverse of its processor time per turn; PostgreSQL's own comes on top.",
      ];
      return { scenario: "turns", work, ...measured, notes };
    }),
  ],
};

async function contender(
  name: string,
  against: string,
  people: Program,
  owner: Member,
  edge: Member,
  ms: number,
): Promise<Contender> {
  const ids = await makeChats(owner, chats);
  await people.call(
    "come",
    ids.map((id) => owner.place(id, "bench/short", edge)),
  );
  const members = [...new Set([owner, edge])];
  const snapshots = async (): Promise<StatsSnapshot[]> =>
    await Promise.all(
      members.map(async ({ program }) => await program.call<StatsSnapshot>("stats")),
    );
  const cpu = async (): Promise<number> =>
    (
      await Promise.all(members.map(async ({ program }) => await program.call<number>("cpu")))
    ).reduce((sum, one) => sum + one, 0);
  return {
    name,
    against,
    async measure() {
      const [before, cpuBefore] = [await snapshots(), await cpu()];
      const lived = await people.call<Lived>("live", { atOnce: chats, ms });
      const [after, cpuAfter] = [await snapshots(), await cpu()];
      const per = (n: number): number => n / lived.turns;
      const asked = costOf(before, after);
      return {
        "turns/s": lived.turns / (lived.ms / 1000),
        "CPU ms per turn": per((cpuAfter - cpuBefore) / 1000),
        "turn p50 ms": lived.whole.p50,
        "turn p99 ms": lived.whole.p99,
        "statements per turn": per(asked.statements),
        "write transactions per turn": per(asked.writes),
        "read transactions per turn": per(asked.reads),
        "round trips per turn": per(asked.roundTrips),
        failures: lived.failures,
      };
    },
  };
}

import type { StatsSnapshot } from "../../src/postgres/stats.ts";
import type { Lived } from "../programs/people.ts";
import { answering } from "../contenders/all.ts";
import { makeChats, type Member } from "../rig/cluster.ts";
import { startPeers, type Peer } from "../rig/peer.ts";
import { cpuOf, type Spender } from "../rig/spender.ts";
import { costOf } from "../rig/cost.ts";
import type { Program } from "../rig/program.ts";
import { interleave, type Contender, type Result, type Scenario } from "../rig/scenario.ts";
import { onStage } from "../rig/stage.ts";

const chats = 16;

export const turns: Scenario = {
  name: "turns",
  about: "plain turns per second, what each costs the processor and asks of the database",
  run: async (options) => [
    await onStage(async (stage): Promise<Result> => {
      const { cluster, start } = stage;
      const floor = await start("commits", { databaseUrl: cluster.databaseUrl });
      const owner = await cluster.replica({}, "owner");
      const edge = await cluster.replica({ env: { PARLEY_CAPACITY: "0" } }, "edge");
      const name = "floor: two commits";
      const bare: Contender = {
        name,
        async measure() {
          const before = await floor.cpu();
          const storeBefore = await cluster.postgres.cpu();
          const done = await floor.call<number>("run", { ms: options.roundMs, lanes: chats });
          const cpu = (await floor.cpu()) - before;
          const storeCpu = (await cluster.postgres.cpu()) - storeBefore;
          return {
            "turns/s": done / (options.roundMs / 1000),
            "CPU ms per turn": cpu / 1000 / done,
            "store CPU ms per turn": storeCpu / 1000 / done,
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
          cluster.postgres,
          options.roundMs,
        ),
        await contender(
          "Parley, streams elsewhere",
          name,
          await start("people"),
          owner,
          edge,
          cluster.postgres,
          options.roundMs,
        ),
      ];
      const { peers, notes } = await startPeers(stage, answering);
      for (const peer of peers) {
        contenders.push(await peerContender(peer, name, await start("people"), options.roundMs));
      }
      const measured = await interleave(options, contenders);
      const work = `${chats} people who send a message, read the answer and send the next, as fast as it goes; the model is in the process and answers at once`;
      notes.unshift(
        "Turns per second and core of the replica are the inverse of its processor time per turn; PostgreSQL's own comes on top.",
      );
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
  store: Spender,
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
  const servers = members.map(({ program }) => program);
  return {
    name,
    against,
    async measure() {
      const [before, cpuBefore] = [await snapshots(), await cpuOf(servers)];
      const storeBefore = await store.cpu();
      const lived = await people.call<Lived>("live", { atOnce: chats, ms });
      const [after, cpuAfter] = [await snapshots(), await cpuOf(servers)];
      const storeCpu = (await store.cpu()) - storeBefore;
      const per = (n: number): number => n / lived.turns;
      const asked = costOf(before, after);
      return {
        "turns/s": lived.turns / (lived.ms / 1000),
        "CPU ms per turn": per((cpuAfter - cpuBefore) / 1000),
        "store CPU ms per turn": per(storeCpu / 1000),
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

async function peerContender(
  { name, servers, stores, places }: Peer,
  against: string,
  people: Program,
  ms: number,
): Promise<Contender> {
  await people.call("come", await places?.(chats));
  return {
    name,
    against,
    async measure() {
      const [before, storeBefore] = [await cpuOf(servers), await cpuOf(stores)];
      const lived = await people.call<Lived>("live", { atOnce: chats, ms });
      const [after, storeAfter] = [await cpuOf(servers), await cpuOf(stores)];
      const perMs = (micros: number): number => micros / 1000 / lived.turns;
      return {
        "turns/s": lived.turns / (lived.ms / 1000),
        "CPU ms per turn": perMs(after - before),
        ...(stores.length > 0 && { "store CPU ms per turn": perMs(storeAfter - storeBefore) }),
        "turn p50 ms": lived.whole.p50,
        "turn p99 ms": lived.whole.p99,
        failures: lived.failures,
      };
    },
  };
}

import type { Lived } from "../programs/people.ts";
import { makeChats, type Cluster } from "../rig/cluster.ts";
import { interleave, type Contender, type Result, type Scenario } from "../rig/scenario.ts";
import { startService } from "../rig/service.ts";
import { onStage, type Stage } from "../rig/stage.ts";

const chats = 30;
export const bus: Scenario = {
  name: "bus",
  rounds: 3,
  about: "a turn that is followed on another replica, with each of the bus's drivers",
  run: async (options) => [
    await onStage(async (stage): Promise<Result> => {
      const { cluster } = stage;
      const contenders = [await contender("PostgreSQL", cluster, stage, {})];
      const notes: string[] = [];
      const nats = await startService("nats-server", (port) => [
        "-a",
        "127.0.0.1",
        "-p",
        String(port),
      ]);
      if (nats === null) notes.push("There is no nats-server on this machine.");
      try {
        if (nats !== null) {
          contenders.push(
            await contender("NATS", cluster, stage, {
              PARLEY_NATS_URL: `nats://127.0.0.1:${nats.port}`,
            }),
          );
        }
        const measured = await interleave(options, contenders);
        const work = `${chats} chats, each sent a message on one replica and followed on another, 4 at a time`;
        return { scenario: "bus", work, ...measured, notes };
      } finally {
        nats?.stop();
      }
    }),
  ],
};

async function contender(
  name: string,
  cluster: Cluster,
  { start }: Stage,
  env: Record<string, string>,
): Promise<Contender> {
  const owner = await cluster.replica({ env }, `${name} owner`);
  const edge = await cluster.replica({ env: { ...env, PARLEY_CAPACITY: "0" } }, `${name} edge`);
  const people = await start("people");
  const ids = await makeChats(owner, chats);
  await people.call(
    "come",
    ids.map((id) => owner.place(id, "bench/short", edge)),
  );
  return {
    name,
    async measure() {
      const { first, whole } = await people.call<Lived>("live", { atOnce: 4, turns: 1 });
      return {
        "first part p50 ms": first.p50,
        "first part p99 ms": first.p99,
        "whole turn p50 ms": whole.p50,
        "whole turn p99 ms": whole.p99,
      };
    },
  };
}

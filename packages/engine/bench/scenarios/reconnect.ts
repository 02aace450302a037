import type { Quantiles } from "../rig/figures.ts";
import { makeChats } from "../rig/cluster.ts";
import { interleave, type Figures, type Result, type Scenario } from "../rig/scenario.ts";
import { onStage } from "../rig/stage.ts";
import type { StatsSnapshot } from "../../src/postgres/stats.ts";
import { costOf } from "../rig/cost.ts";

const chats = 100;
const perChat = 10;

export const reconnect: Scenario = {
  name: "reconnect",
  about:
    "a thousand subscribers of a replica that is killed come back elsewhere at once, with their cursors",
  run: async (options) => [
    await onStage(async ({ cluster, start }): Promise<Result> => {
      const there = await cluster.replica({}, "there");
      const people = await start("people");
      const ids = await makeChats(there, chats);
      const all = Array.from({ length: perChat }, () => ids).flat();
      const measure = async (): Promise<Figures> => {
        const here = await cluster.replica({ env: { PARLEY_CAPACITY: "0" } }, "here");
        await people.call(
          "come",
          all.map((id) => here.place(id, "bench/short")),
        );
        const before = await there.program.call<StatsSnapshot>("stats");
        await here.program.kill();
        const back = await people.call<Quantiles & { failures: number }>(
          "comeBack",
          all.map((id) => there.target(id).url),
        );
        const after = await there.program.call<StatsSnapshot>("stats");
        await people.call("leave");
        const reads = costOf([before], [after]).reads / all.length;
        const { p50, p99, max, failures } = back;
        return { "p50 ms": p50, "p99 ms": p99, "last ms": max, "reads each": reads, failures };
      };
      const measured = await interleave(options, [{ name: "Parley", measure }]);
      const work = `${all.length} subscribers of ${chats} chats; from the kill until each has everything`;
      return { scenario: "reconnect", work, ...measured, notes: [] };
    }),
  ],
};

import { quantiles } from "../rig/figures.ts";
import { each, idle, makeChats, type Member } from "../rig/cluster.ts";
import {
  interleave,
  type Contender,
  type Figures,
  type Result,
  type Scenario,
} from "../rig/scenario.ts";
import { onStage } from "../rig/stage.ts";
import { nowMs, until } from "../rig/time.ts";

const chats = 50;

export const takeover: Scenario = {
  name: "takeover",
  rounds: 3,
  about: "from the death or the retirement of a chat's replica to the next one's model call",
  run: async (options) => [
    await onStage(async ({ cluster }): Promise<Result> => {
      const env = { PARLEY_DRAIN_GRACE_SECONDS: "0" };
      const next = await cluster.replica({ env }, "next");
      const ids = await makeChats(next, chats);
      const contender = (name: string, leave: (owner: Member) => Promise<void>): Contender => ({
        name,
        async measure(): Promise<Figures> {
          const owner = await cluster.replica({ env }, "owner");
          const message = { content: "Go on.", model: "bench/paced" };
          await each(ids, (id) => owner.client.sendMessage(id, message));
          await until("every chat speaks", async () => (await speaking(owner)) === chats);
          const leftAt = nowMs();
          const left = leave(owner);
          await until("all were taken over", async () => (await speaking(next)) === chats);
          await left;
          const called = await next.program.call<number[]>("calledAt");
          const { p50, p99, max } = quantiles(called.slice(-chats).map((at) => at - leftAt));
          await next.program.call("stop");
          await idle(next);
          await owner.program.kill();
          return { "p50 ms": p50, "p99 ms": p99, "last ms": max };
        },
      });
      const measured = await interleave(options, [
        contender("kill -9", async ({ program }) => await program.kill()),
        contender("hand-over", async ({ program }) => void (await program.call("drain"))),
      ]);
      const work = `${chats} running chats of one replica, one other replica`;
      return { scenario: "takeover", work, ...measured, notes: [] };
    }),
  ],
};

async function speaking({ program }: Member): Promise<number> {
  return await program.call<number>("speaking");
}

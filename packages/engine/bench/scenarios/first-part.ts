import type { Lived, Place } from "../programs/people.ts";
import { answering } from "../contenders/all.ts";
import { makeChats, type Member } from "../rig/cluster.ts";
import { startPeers } from "../rig/peer.ts";
import type { Program } from "../rig/program.ts";
import { interleave, type Contender, type Result, type Scenario } from "../rig/scenario.ts";
import { onStage } from "../rig/stage.ts";

const chats = 50;
/** Few, so that nobody waits for others. */
const atOnce = 2;

export const firstPart: Scenario = {
  name: "first-part",
  about: "from a message sent to the first text of its answer on the screen",
  run: async (options) => [
    await onStage(async (stage): Promise<Result> => {
      const { cluster, start } = stage;
      const provider = await (await start("provider")).call<string>("url");
      const { databaseUrl } = cluster;
      const bare = await start("proxy", { provider });
      const durable = await start("proxy", { provider, databaseUrl });
      const replica = {
        provider: true,
        env: { OPENAI_API_KEY: "bench", OPENAI_BASE_URL: provider },
      };
      const owner = await cluster.replica(replica, "owner");
      const other = await cluster.replica(
        { ...replica, env: { ...replica.env, PARLEY_CAPACITY: "0" } },
        "other",
      );
      const floor = "floor: proxy that commits";
      const contenders = [
        await contender("floor: proxy", undefined, await start("people"), await placesOf(bare)),
        await contender(floor, undefined, await start("people"), await placesOf(durable)),
        await contender("Parley, same replica", floor, await start("people"), await chatsOf(owner)),
        await contender(
          "Parley, another replica",
          floor,
          await start("people"),
          await chatsOf(owner, other),
        ),
      ];
      const cold = await chatsOf(owner, other);
      contenders.push(
        await contender("Parley, another replica, cold", floor, await start("people"), cold, true),
      );
      const { peers, notes } = await startPeers(stage, answering, { provider });
      for (const { name, places } of peers) {
        if (places === undefined) continue;
        const one = await contender(name, floor, await start("people"), await places(chats));
        contenders.push(one);
      }
      notes.unshift(
        "The provider answers as soon as it is asked: until the text is made is all that comes before it, from there to the first part all that comes after. Cold: nobody follows the chat on that replica; the stream is opened at the same moment as the message is sent.",
      );
      const measured = await interleave(options, contenders);
      const work = `${chats} chats, each sent one message, ${atOnce} at a time, to a provider over HTTP that answers at once`;
      return { scenario: "first-part", work, ...measured, notes };
    }),
  ],
};

async function placesOf(proxy: Program): Promise<Place[]> {
  const url = await proxy.call<string>("url");
  const stream = url.replace(/^http/, "ws");
  return Array.from({ length: chats }, (_, i) => ({
    post: `${url}/${i}`,
    stream: `${stream}/${i}`,
  }));
}

async function chatsOf(owner: Member, edge = owner): Promise<Place[]> {
  const model = "openai-chat/bench";
  const ids = await makeChats(owner, chats, model);
  return ids.map((id) => owner.place(id, model, edge));
}

async function contender(
  name: string,
  against: string | undefined,
  people: Program,
  places: readonly Place[],
  cold = false,
): Promise<Contender> {
  await people.call(cold ? "know" : "come", places);
  return {
    name,
    ...(against !== undefined && { against }),
    async measure() {
      const lived = await people.call<Lived>("live", { atOnce, turns: 1, cold });
      const { first, made, whole, failures } = lived;
      return {
        "first part p50 ms": first.p50,
        "first part p99 ms": first.p99,
        "until it was made p50 ms": made.p50,
        "whole turn p50 ms": whole.p50,
        failures,
      };
    },
  };
}

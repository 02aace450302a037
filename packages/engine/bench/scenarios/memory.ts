import type { Program } from "../rig/program.ts";
import { makeChats, type Member } from "../rig/cluster.ts";
import { interleave, type Figures, type Result, type Scenario } from "../rig/scenario.ts";
import { onStage } from "../rig/stage.ts";
import { sleep } from "../rig/time.ts";

const chats = 500;
const perChat = 1_000;

interface Memory {
  readonly rss: number;
  readonly held: number;
}

export const memory: Scenario = {
  name: "memory",
  rounds: 1,
  about: "what an idle chat, a chat that is followed and one more subscriber hold",
  run: async (options) => [
    await onStage(async ({ cluster, start }): Promise<Result> => {
      const member = await cluster.replica();
      const idleFrom = await memoryOf(member);
      const ids = await makeChats(member, chats);
      // Episodes of turns that are over are kept for a while, and swept.
      await sleep(25_000);
      const idleTo = await memoryOf(member);
      const people = await start("subscribers");
      const measure = async (): Promise<Figures> => ({
        "idle chat KiB": (idleTo.held - idleFrom.held) / chats / 1024,
        "feed with its subscription KiB": await grown(
          member,
          people,
          ids.map((id) => member.target(id)),
          chats,
        ),
        "one more subscription KiB": await grown(
          member,
          people,
          [member.target(ids[0] ?? "", perChat)],
          perChat,
        ),
      });
      const measured = await interleave(options, [{ name: "Parley", measure }]);
      const work = `${chats} chats after their first turn; ${perChat} subscriptions of one; heap and buffers after a full collection, the sockets' own included`;
      return { scenario: "memory", work, ...measured, notes: [] };
    }),
  ],
};

async function grown(
  member: Member,
  people: Program,
  targets: readonly unknown[],
  count: number,
): Promise<number> {
  const before = await memoryOf(member);
  await people.call("connect", targets);
  await sleep(500);
  const after = await memoryOf(member);
  await people.call("close");
  await sleep(500);
  return (after.held - before.held) / count / 1024;
}

async function memoryOf({ program }: Member): Promise<Memory> {
  return await program.call<Memory>("memory");
}

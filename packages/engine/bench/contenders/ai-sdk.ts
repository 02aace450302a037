import { ask } from "../rig/http.ts";
import type { Peer, PeerKind, PeerSettings } from "../rig/peer.ts";
import type { Program } from "../rig/program.ts";
import { startRedis } from "../rig/service.ts";
import type { Stage } from "../rig/stage.ts";
import { until } from "../rig/time.ts";

/** The AI SDK with resumable-stream on Redis: two processes, as behind a load balancer. */
export const aiSdk: PeerKind = {
  name: "AI SDK + resumable-stream",
  async start(stage, settings): Promise<Peer> {
    const { redis, server } = await bringUp(stage, settings);
    const [source, edge] = [await server(), await server()];
    const [from, to] = [await source.call<string>("url"), await edge.call<string>("url")];
    let round = 0;
    return {
      name: "peer: AI SDK + resumable-stream, resumed elsewhere",
      keeps:
        "the stream in Redis' publish-subscribe and in the memory of the process that made it, and gone with that; no cursor; chats are the application's, here one JSON each in the same Redis, which writes nothing to disk",
      relays: true,
      servers: [source, edge],
      stores: [redis],
      source,
      async begin(chats) {
        const ids = Array.from({ length: chats }, (_, i) => `${round}-${i}`);
        round += 1;
        await Promise.all(
          ids.map(async (id) => {
            const body = { content: "Go on.", model: "paced" };
            (await ask(`${from}/${id}`, { body })).destroy();
          }),
        );
        await speaks(source, chats);
        return ids.map((id) => ({ url: `${to}/${id}` }));
      },
    };
  },
};

/** The same server where the sender reads the answer of his own POST, which is what it is made for. */
export const aiSdkDirect: PeerKind = {
  name: "AI SDK",
  async start(stage, settings): Promise<Peer> {
    const { redis, server } = await bringUp(stage, settings);
    const source = await server();
    const url = await source.call<string>("url");
    let round = 0;
    const body = { content: "Go on.", model: "paced" };
    return {
      name: "peer: AI SDK, the sender's own stream",
      keeps:
        "messages in Redis, which writes nothing to disk; only who sent the message follows, while his request lasts",
      relays: false,
      servers: [source],
      stores: [redis],
      source,
      async begin(chats) {
        round += 1;
        return await Promise.resolve(
          Array.from({ length: chats }, (_, i) => ({ url: `${url}/${round}-${i}`, body })),
        );
      },
      async places(count) {
        return await Promise.resolve(
          Array.from({ length: count }, (_, i) => ({ post: `${url}/p${i}`, model: "short" })),
        );
      },
    };
  },
};

async function bringUp({ start, onEnd }: Stage, { provider }: PeerSettings) {
  const redis = await startRedis();
  if (redis === null) throw new Error("this machine has no redis-server");
  onEnd(() => redis.stop());
  const settings = { redis: `redis://127.0.0.1:${redis.port}`, ...(provider && { provider }) };
  return { redis, server: async (): Promise<Program> => await start("ai-sdk.mjs", settings) };
}

async function speaks(source: Program, chats: number): Promise<void> {
  await until("every chat speaks", async () => (await source.call<number>("speaking")) === chats);
  await until("others can follow", async () => (await source.call<number>("resumable")) === chats);
}

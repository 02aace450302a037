import { postJson } from "../rig/http.ts";
import type { Peer, PeerKind } from "../rig/peer.ts";
import { until } from "../rig/time.ts";

/** DBOS on the run's own PostgreSQL: two processes. */
export const dbos: PeerKind = {
  name: "DBOS",
  async start({ cluster, start }, { provider }): Promise<Peer> {
    const databaseUrl = await cluster.extraDatabase("bench_dbos");
    const common = { databaseUrl, ...(provider && { provider }) };
    const source = await start("dbos.mjs", { ...common, executor: "a" });
    const edge = await start("dbos.mjs", { ...common, executor: "b" });
    const [from, to] = [await source.call<string>("url"), await edge.call<string>("url")];
    return {
      name: "peer: DBOS",
      keeps:
        "every part and every workflow durably in PostgreSQL; a stream can be read from an offset by any process; chats and their history are the application's",
      relays: true,
      servers: [source, edge],
      stores: [cluster.postgres],
      source,
      async begin(chats) {
        const body = { content: "Go on.", model: "paced" };
        const targets = await Promise.all(
          Array.from({ length: chats }, async () => {
            const { id } = await postJson<{ id: string }>(`${from}/turns`, body);
            return { url: `${to}/turns/${id}`, position: "count" as const };
          }),
        );
        await until("every chat speaks", async () => {
          return (await source.call<number>("speaking")) === chats;
        });
        return targets;
      },
      async places(count) {
        return await Promise.resolve(
          Array.from({ length: count }, (_, i) => ({ post: `${from}/chat/${i}`, model: "short" })),
        );
      },
    };
  },
};

import type { Peer, PeerKind } from "../rig/peer.ts";

/** Durable Streams: its server and a producer. */
export const durableStreams: PeerKind = {
  name: "Durable Streams",
  async start({ start }): Promise<Peer> {
    const file = "durable-streams.mjs";
    const server = await start(file, { role: "server" });
    const url = await server.call<string>("url");
    const source = await start(file, { role: "producer", url });
    let round = 0;
    return {
      name: "peer: Durable Streams in memory",
      keeps:
        "every part in the memory of its server, with offsets; it knows streams, and neither chats nor turns",
      relays: true,
      servers: [server, source],
      stores: [],
      source,
      async begin(chats) {
        const names = Array.from({ length: chats }, (_, i) => `chat-${round}-${i}`);
        round += 1;
        await source.call("create", names);
        return names.map((name) => ({
          url: `${url}/v1/stream/${name}?offset=-1&live=sse`,
          position: "offset" as const,
        }));
      },
    };
  },
};

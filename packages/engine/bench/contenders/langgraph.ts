import { postJson } from "../rig/http.ts";
import type { Peer, PeerKind } from "../rig/peer.ts";
import { until } from "../rig/time.ts";

/** LangGraph's in-memory server: one process. */
export const langGraph: PeerKind = {
  name: "LangGraph in memory",
  async start({ start }, { provider }): Promise<Peer> {
    const server = await start("langgraph.mjs", { ...(provider && { provider }) });
    const url = await server.call<string>("url");
    const threads = async (count: number): Promise<string[]> =>
      await Promise.all(
        Array.from({ length: count }, async () => {
          return (await postJson<{ thread_id: string }>(`${url}/threads`, {})).thread_id;
        }),
      );
    return {
      name: "peer: LangGraph in memory",
      keeps:
        "threads, runs and resumable streams in the memory of one process, which writes a file now and then; there is no second replica",
      relays: false,
      servers: [server],
      stores: [],
      source: server,
      async begin(chats) {
        const targets = await Promise.all(
          (await threads(chats)).map(async (thread) => {
            const runs = `${url}/threads/${thread}/runs`;
            const { run_id } = await postJson<{ run_id: string }>(runs, runOf("Go on.", "paced"));
            return { url: `${runs}/${run_id}/stream`, position: "event-id" as const };
          }),
        );
        await until("every chat speaks", async () => {
          return (await server.call<number>("speaking")) === chats;
        });
        return targets;
      },
      async places(count) {
        return (await threads(count)).map((thread) => ({
          post: `${url}/threads/${thread}/runs/stream`,
          body: runOf("Message.", "short"),
        }));
      },
    };
  },
};

function runOf(content: string, said: string): object {
  return {
    assistant_id: "agent",
    input: { messages: [{ role: "user", content }] },
    stream_mode: ["messages-tuple"],
    stream_resumable: true,
    on_disconnect: "continue",
    config: { configurable: { said } },
  };
}

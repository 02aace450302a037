import { existsSync } from "node:fs";
import type { Place } from "../programs/people.ts";
import type { Target } from "../programs/subscribers.ts";
import type { Program } from "./program.ts";
import type { Spender } from "./spender.ts";
import type { Stage } from "./stage.ts";

/** Another's server, brought up as its documentation says. */
export interface Peer {
  readonly name: string;
  /** What it keeps of a chat, and what not: one line. */
  readonly keeps: string;
  /** Whether a process that only streams stands between the model's and the subscribers. */
  readonly relays: boolean;
  /** Its own processes between the model and the sockets. */
  readonly servers: readonly Program[];
  /** What it keeps things in. */
  readonly stores: readonly Spender[];
  /** The process that the models are in. */
  readonly source: Program;
  /** Begins an answer in every chat; where each can be followed. Who asked has left. */
  begin(chats: number): Promise<Target[]>;
  /** Where people talk with it; absent: it has no turns. */
  readonly places?: (count: number) => Promise<Place[]>;
}

export interface PeerSettings {
  /** A provider over HTTP instead of models in the process. */
  readonly provider?: string;
}

/** A kind of peer. It fails with a reason where the machine has not what it needs. */
export interface PeerKind {
  readonly name: string;
  start(stage: Stage, settings: PeerSettings): Promise<Peer>;
}

const installed = new URL("../peers/node_modules", import.meta.url);

/** Those that can run here, and notes on what they are and why others are left out. */
export async function startPeers(
  stage: Stage,
  kinds: readonly PeerKind[],
  settings: PeerSettings = {},
): Promise<{ peers: Peer[]; notes: string[] }> {
  if (!existsSync(installed)) {
    const how = "`npm install --ignore-scripts` in packages/engine/bench/peers brings them";
    return { peers: [], notes: [`No peers: ${how}.`] };
  }
  const peers: Peer[] = [];
  const notes: string[] = [];
  for (const kind of kinds) {
    try {
      // oxlint-disable-next-line no-await-in-loop
      const peer = await kind.start(stage, settings);
      peers.push(peer);
      notes.push(`${peer.name}: ${peer.keeps}.`);
    } catch (error) {
      notes.push(`${kind.name} is left out: ${(error as Error).message.split("\n")[0]}.`);
    }
  }
  return { peers, notes };
}

import type { PeerKind } from "../rig/peer.ts";
import { aiSdk, aiSdkDirect } from "./ai-sdk.ts";
import { dbos } from "./dbos.ts";
import { durableStreams } from "./durable-streams.ts";
import { langGraph } from "./langgraph.ts";

/** Those that bring parts to subscribers. */
export const talkers: readonly PeerKind[] = [aiSdk, aiSdkDirect, langGraph, dbos, durableStreams];

/** Those whose streams more than one can follow, and come back to. */
export const followed: readonly PeerKind[] = [aiSdk, langGraph, dbos, durableStreams];

/** Those that answer messages. */
export const answering: readonly PeerKind[] = [aiSdkDirect, langGraph, dbos];

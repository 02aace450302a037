export { createClient, type Client } from "./client.ts";
export type { ClientOptions, Fetch, TokenSource } from "./options.ts";
export type { CallOptions, InterruptOptions, Rest } from "./rest.ts";
export { ParleyApiError, ParleyNetworkError, StreamEndedError } from "./errors.ts";
export { systemRuntime, type Runtime, type Timer } from "./runtime.ts";
export type { Connection, StreamLimits, SubscribeOptions } from "./subscription/options.ts";
export type { Subscription } from "./subscription/subscription.ts";
export type { ConnectionEnd } from "./subscription/transport.ts";
export type { WebSocketLike, WebSockets } from "./subscription/websocket-adapter.ts";
export {
  addOlder,
  applyEvent,
  applyEvents,
  emptyTranscript,
  type Transcript,
} from "./transcript.ts";
export type { Preview } from "./preview.ts";

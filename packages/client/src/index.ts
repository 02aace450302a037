export { createClient, type Client } from "./client.ts";
export type { ClientOptions, Fetch, TokenSource } from "./options.ts";
export type { CallOptions, InterruptOptions, Rest, UploadOptions } from "./rest.ts";
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
export { structuredOutput, type StructuredOutput } from "./structured-output.ts";
export { storesOf, type Stores } from "./stores/stores.ts";
export type { ChatStore } from "./stores/chat-store.ts";
export type { ChatState, PendingMessage } from "./stores/chat-state.ts";
export type { ConnectionState, ConnectionView } from "./stores/connection-state.ts";
export type { OutgoingMessage } from "./stores/pending-sends.ts";
export type { ListStore } from "./stores/list-store.ts";
export type { ChatListFilter } from "./stores/list-filter.ts";
export type { ChatListState } from "./stores/list-state.ts";
export type { ModelsState, ModelsStore } from "./stores/models-store.ts";
export type {
  ClientToolContext,
  ClientToolHandler,
  ClientToolHandlers,
} from "./stores/tool-runner.ts";

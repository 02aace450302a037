import type { ChatEvent, WatchEvent } from "@parley/protocol";
import { resolveOptions, type ClientContext, type ClientOptions } from "./options.ts";
import { chatPath, createRest, watchPath, type Rest } from "./rest.ts";
import type { Runtime } from "./runtime.ts";
import { chatEventTypes, watchEventTypes } from "./subscription/decode.ts";
import { streamLimits, type StreamLimits, type SubscribeOptions } from "./subscription/options.ts";
import { sseTransport } from "./subscription/sse-transport.ts";
import { createSubscription, type Subscription } from "./subscription/subscription.ts";
import type { Transport } from "./subscription/transport.ts";
import { webSocketTransport } from "./subscription/websocket-transport.ts";

export interface Client extends Rest {
  /** The events of a chat, for as long as they are read. Fold them with `applyEvent`. */
  subscribe(chatId: string, options?: SubscribeOptions): Subscription<ChatEvent>;
  /** The events of the list of chats. */
  watch(options?: SubscribeOptions): Subscription<WatchEvent>;
  /** What it takes time, chance and timers from. */
  readonly runtime: Runtime;
}

/**
 * A client of one Parley server, any replica of it. Holds no connection of its own; there is nothing to close
 * but subscriptions.
 *
 * @throws TypeError when `baseUrl` is no HTTP address
 */
export function createClient(options: ClientOptions, limits: Partial<StreamLimits> = {}): Client {
  const context = resolveOptions(options);
  const rest = createRest(context);
  const settings = { runtime: context.runtime, limits: { ...streamLimits, ...limits } };
  return {
    ...rest,
    runtime: context.runtime,
    subscribe: (chatId, subscribe = {}) =>
      createSubscription<ChatEvent>({
        ...settings,
        ...subscribe,
        known: chatEventTypes,
        transport: transportOf(context, subscribe, `${chatPath(chatId)}/stream`, async (signal) => {
          return (await rest.streamTicket(chatId, { signal })).ticket;
        }),
      }),
    watch: (subscribe = {}) =>
      createSubscription<WatchEvent>({
        ...settings,
        ...subscribe,
        known: watchEventTypes,
        transport: transportOf(context, subscribe, watchPath),
      }),
  };
}

function transportOf(
  context: ClientContext,
  { transport }: SubscribeOptions,
  path: string,
  ticket?: (signal: AbortSignal) => Promise<string>,
): Transport {
  const sse = sseTransport(context, path);
  const { webSockets } = context;
  if (transport === "sse" || webSockets === null) return sse;
  return webSocketTransport({ context, webSockets, path, ticket, fallback: sse });
}

import { useMemo } from "react";
import type { Client } from "../client.ts";
import { useClient } from "./provider.ts";

const names = [
  "editMessage",
  "editQueued",
  "promoteQueued",
  "deleteQueued",
  "interrupt",
  "retry",
  "decideApprovals",
  "submitToolResults",
  "compact",
  "clear",
  "reconcile",
  "title",
  "patchChat",
  "forkChat",
  "deleteChat",
  "usage",
] as const satisfies readonly (keyof Client)[];

type OfOneChat<F> = F extends (chatId: string, ...rest: infer A) => infer R
  ? (...rest: A) => R
  : never;

/** The calls of the client, with the chat filled in. */
export type ChatActions = { readonly [N in (typeof names)[number]]: OfOneChat<Client[N]> };

/** What can be done with a chat besides sending: each as the client has it. Stable for as long as client and chat are. */
export function useChatActions(chatId: string): ChatActions {
  const client = useClient();
  return useMemo(() => actionsOf(client, chatId), [client, chatId]);
}

function actionsOf(client: Client, chatId: string): ChatActions {
  const calls = names.map((name) => {
    const call = client[name] as (chatId: string, ...rest: unknown[]) => unknown;
    return [name, (...rest: unknown[]) => call(chatId, ...rest)] as const;
  });
  return Object.fromEntries(calls) as unknown as ChatActions;
}

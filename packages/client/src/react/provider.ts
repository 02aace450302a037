import { createContext, createElement, useContext, useMemo, type ReactNode } from "react";
import type { Client } from "../client.ts";
import { storesOf, type Stores } from "../stores/stores.ts";

const context = createContext<Client | null>(null);

/** Gives the hooks below it their client. Another client is another server or another person: everything begins anew. */
export function ParleyProvider(props: { client: Client; children?: ReactNode }): ReactNode {
  return createElement(context.Provider, { value: props.client }, props.children);
}

/** The client of the provider, for calls that no hook makes. */
export function useClient(): Client {
  const client = useContext(context);
  if (client === null) throw new TypeError("there is no ParleyProvider above this component");
  return client;
}

export function useStores(): Stores {
  const client = useClient();
  return useMemo(() => storesOf(client), [client]);
}

import { createClient, ParleyApiError, storesOf, type Client } from "@parley/client";
import type { SessionAnswer } from "@parley/protocol";
import { useSyncExternalStore } from "react";

export type Session =
  | { readonly kind: "asking" }
  /** `bad-token`: the address brought one that is not good; `ended`: it was good until now. */
  | { readonly kind: "stranger"; readonly why: "new" | "bad-token" | "ended" }
  | { readonly kind: "unreachable" }
  | { readonly kind: "in"; readonly client: Client; readonly me: SessionAnswer };

const listeners = new Set<() => void>();
let session: Session = { kind: "asking" };

/** One that was good is gone from the address by now: the server has taken it. */
const arrivedAs = cleanAddress() ? "bad-token" : "new";

export function useSession(): Session {
  return useSyncExternalStore(subscribe, () => session);
}

/** Asks the server who is there. Never rejects. */
export async function findSession(): Promise<void> {
  set({ kind: "asking" });
  const client = newClient();
  try {
    set({ kind: "in", client, me: await client.session() });
  } catch (error) {
    const isStranger = error instanceof ParleyApiError && error.status === 401;
    set(isStranger ? { kind: "stranger", why: arrivedAs } : { kind: "unreachable" });
  }
}

/** @throws ParleyApiError 401 where the token is not good */
export async function signIn(token: string): Promise<void> {
  const client = newClient();
  set({ kind: "in", client, me: await client.signIn(token) });
}

/** @throws what `client.signOut` throws: then nothing has changed. */
export async function signOut(): Promise<void> {
  if (session.kind !== "in") return;
  await session.client.signOut();
  leave("new");
}

/** One client for one person: what the next one sees begins anew. */
function newClient(): Client {
  const client = createClient({
    baseUrl: window.location.origin,
    fetch: async (url, init) => {
      const response = await window.fetch(url, init);
      // The token was revoked, or has run out: whatever was asked, nothing will be answered any more.
      if (response.status === 401 && session.kind === "in" && session.client === client) {
        leave("ended");
      }
      return response;
    },
  });
  return client;
}

function leave(why: "new" | "ended"): void {
  if (session.kind !== "in") return;
  const { client } = session;
  set({ kind: "stranger", why });
  storesOf(client).close();
}

/** Takes a token out of the address bar. @returns whether there was one */
function cleanAddress(): boolean {
  const url = new URL(window.location.href);
  if (!url.searchParams.has("token")) return false;
  url.searchParams.delete("token");
  window.history.replaceState(null, "", url);
  return true;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

function set(next: Session): void {
  session = next;
  for (const listener of listeners) listener();
}

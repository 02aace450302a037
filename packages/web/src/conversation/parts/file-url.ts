import { ParleyApiError, type Client } from "@parley/client";
import { useClient } from "@parley/client/react";
import { useEffect, useState } from "react";
import { reasonOf } from "../../ui/toast-store.ts";

/** Links are asked for again well before the server's own limit, which is minutes. */
const keptMs = 4 * 60_000;
/** Links that are remembered; the oldest go. */
const linksMax = 200;

interface Link {
  readonly url: Promise<string>;
  readonly until: number;
}

const links = new WeakMap<Client, Map<string, Link>>();

/** An address of an uploaded file's bytes. Rejects where they are gone. */
export async function fileUrl(client: Client, fileId: string): Promise<string> {
  const known = links.get(client) ?? new Map<string, Link>();
  links.set(client, known);
  const link = known.get(fileId);
  if (link !== undefined && link.until > Date.now()) return await link.url;
  const url = client.fileUrl(fileId);
  known.delete(fileId);
  known.set(fileId, { url, until: Date.now() + keptMs });
  const [oldest] = known.keys();
  if (known.size > linksMax && oldest !== undefined) known.delete(oldest);
  try {
    return await url;
  } catch (error) {
    known.delete(fileId);
    throw error;
  }
}

/** The address of a file that is to be shown; `problem` where there is none. */
export function useFileUrl(fileId: string | undefined): {
  url: string | null;
  problem: string | null;
} {
  const client = useClient();
  const [state, setState] = useState<{ id: string; url: string | null; problem: string | null }>();
  useEffect(() => {
    if (fileId === undefined) return;
    let gone = false;
    fileUrl(client, fileId)
      .then((url) => gone || setState({ id: fileId, url, problem: null }))
      .catch((error: unknown) => gone || setState({ id: fileId, url: null, problem: why(error) }));
    return () => void (gone = true);
  }, [client, fileId]);
  return state !== undefined && state.id === fileId ? state : { url: null, problem: null };
}

/** Bytes that have expired are told of as such; everything else as it is. */
function why(error: unknown): string {
  return error instanceof ParleyApiError && error.status === 410 ? "expired" : reasonOf(error);
}

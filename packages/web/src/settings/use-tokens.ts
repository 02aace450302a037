import { useClient } from "@parley/client/react";
import type { Token } from "@parley/protocol";
import { useEffect, useState } from "react";

export interface UseTokens {
  /** The newest first; null: not known yet. */
  tokens: readonly Token[] | null;
  error: unknown;
  reload: () => void;
}

export function useTokens(): UseTokens {
  const client = useClient();
  const [asked, setAsked] = useState(0);
  const [state, setState] = useState<Omit<UseTokens, "reload">>({ tokens: null, error: null });
  useEffect(() => {
    const leaving = new AbortController();
    client.tokens({ signal: leaving.signal }).then(
      (tokens) => setState({ tokens: newestFirst(tokens), error: null }),
      (error: unknown) => {
        if (!leaving.signal.aborted) setState((before) => ({ ...before, error }));
      },
    );
    return () => leaving.abort();
  }, [client, asked]);
  return { ...state, reload: () => setAsked((count) => count + 1) };
}

function newestFirst(tokens: readonly Token[]): Token[] {
  return tokens.toSorted((a, b) => b.created_at.localeCompare(a.created_at));
}

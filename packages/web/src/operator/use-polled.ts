import { useEffect, useState } from "react";

export interface Polled<T> {
  /** What came last; null: nothing yet. */
  readonly value: T | null;
  /** Why the last try failed; the value is older then. */
  readonly error: unknown;
  /** Asks again, now. */
  readonly reload: () => void;
}

/**
 * Asks again and again while the page is looked at, each time when the answer has come and `everyMs` have passed.
 *
 * @param read the same function as long as the same is asked for; another one begins anew.
 */
export function usePolled<T>(
  read: (signal: AbortSignal) => Promise<T>,
  everyMs: number,
): Polled<T> {
  const [asked, setAsked] = useState(0);
  const [state, setState] = useState<{ of: unknown; value: T | null; error: unknown }>({
    of: read,
    value: null,
    error: null,
  });

  useEffect(() => {
    const leaving = new AbortController();
    let timer: number | undefined;
    const ask = async (): Promise<void> => {
      try {
        const value = await read(leaving.signal);
        if (!leaving.signal.aborted) setState({ of: read, value, error: null });
      } catch (error) {
        if (leaving.signal.aborted) return;
        setState((before) => ({
          of: read,
          value: before.of === read ? before.value : null,
          error,
        }));
      }
      next();
    };
    const next = (): void => {
      window.clearTimeout(timer);
      // In a tab that nobody looks at nothing is asked; coming back asks at once.
      if (!leaving.signal.aborted && !document.hidden) {
        timer = window.setTimeout(() => void ask(), everyMs);
      }
    };
    const onVisibility = (): void => {
      window.clearTimeout(timer);
      if (!document.hidden) void ask();
    };
    void ask();
    document.addEventListener("visibilitychange", onVisibility);
    return () => {
      leaving.abort();
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisibility);
    };
  }, [read, everyMs, asked]);

  const { value, error } = state.of === read ? state : { value: null, error: null };
  return { value, error, reload: () => setAsked((count) => count + 1) };
}

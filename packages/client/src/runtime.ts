/**
 * What the client takes from its surroundings. Tests wire a clock of their own; nothing else in this
 * package reads the time, sets a timer or draws a random number.
 */
export interface Runtime {
  /** Milliseconds that only grow. */
  monotonicMs(): number;
  /** Milliseconds since 1970: only for dates that a server sends, and for those that a person is shown. */
  wallMs(): number;
  /** At least 0, less than 1. */
  random(): number;
  uuid(): string;
  /** Calls `fn` once after `ms`. The label names the timer in tests. */
  timer(ms: number, label: string, fn: () => void): Timer;
  /** Calls `fn` once when the screen is drawn next, or soon where none is drawn (a hidden tab). Absent: there is no screen. */
  frame?: ((fn: () => void) => Timer) | undefined;
  /**
   * Runs `fn` when no other page of this browser runs anything under that name; nothing at all when the signal is aborted
   * before. Never rejects for that; `fn` must not reject. Absent: pages know nothing of each other.
   */
  exclusive?:
    | ((name: string, signal: AbortSignal, fn: () => Promise<void>) => Promise<void>)
    | undefined;
}

export interface Timer {
  cancel(): void;
}

export const systemRuntime: Runtime = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  random: () => Math.random(),
  uuid,
  timer(ms, _label, fn) {
    const handle = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(handle) };
  },
  frame: animationFrames(),
  exclusive: webLocks(),
};

/** A hidden tab draws nothing, and is to be up to date when it is looked at again. */
const hiddenFrameMs = 250;

function animationFrames(): Runtime["frame"] {
  const page = globalThis as unknown as {
    requestAnimationFrame?: (fn: () => void) => number;
    cancelAnimationFrame?: (handle: number) => void;
  };
  const { requestAnimationFrame } = page;
  if (requestAnimationFrame === undefined) return undefined;
  return (fn) => {
    const cancel = () => {
      page.cancelAnimationFrame?.(handle);
      clearTimeout(late);
    };
    const once = () => {
      cancel();
      fn();
    };
    const late = setTimeout(once, hiddenFrameMs);
    const handle = requestAnimationFrame(once);
    return { cancel };
  };
}

interface LockManager {
  request(name: string, options: { signal: AbortSignal }, fn: () => Promise<void>): Promise<void>;
}

/** Missing on pages that came over plain HTTP. */
function webLocks(): Runtime["exclusive"] {
  const { navigator } = globalThis as unknown as { navigator?: { locks?: LockManager } };
  const locks = navigator?.locks;
  if (locks === undefined) return undefined;
  return async (name, signal, fn) => {
    try {
      await locks.request(name, { signal }, fn);
    } catch {
      // Aborted while it waited: what `fn` does is its own.
    }
  };
}

/** `crypto.randomUUID` is missing in browsers on pages that came over plain HTTP; `getRandomValues` is not. */
function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  // Version 4, variant 8: the two digits that are not random.
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-8$4-$5");
}

/** Resolves after `ms`, or at once when the signal is aborted. */
export async function sleep(
  runtime: Runtime,
  ms: number,
  label: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (signal?.aborted) return;
  await new Promise<void>((resolve) => {
    const finish = () => {
      timer.cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const timer = runtime.timer(ms, label, finish);
    signal?.addEventListener("abort", finish);
  });
}

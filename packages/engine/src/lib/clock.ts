/** A timer that has been set and can be taken back. Cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

/**
 * The only door to time. Production uses `systemClock`; tests and the simulator bring their own.
 * Every wait carries a label, so that a test can wait for "the lease timer" instead of guessing a delay.
 */
export interface Clock {
  /** Wall time, milliseconds since 1970. May jump: never measure a duration with it. */
  now(): number;
  /** Monotonic time in milliseconds, from an arbitrary start. */
  monotonic(): number;
  /** Resolves after `ms`, or at once (without throwing) when `signal` aborts. */
  sleep(ms: number, label: string, signal?: AbortSignal): Promise<void>;
  /** Calls `fn` once after `ms`. `fn` must not throw. */
  timer(ms: number, label: string, fn: () => void): Timer;
}

/** `setTimeout` fires at once when asked for more than this; longer waits are cut into pieces. */
const timeoutMsMax = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, label, signal) => sleepWith(systemClock, ms, label, signal),
  timer(ms, _label, fn) {
    const dueAt = performance.now() + ms;
    let handle: NodeJS.Timeout;
    const arm = (): void => {
      const left = Math.max(0, dueAt - performance.now());
      handle = setTimeout(check, Math.min(left, timeoutMsMax));
    };
    // setTimeout also fires up to a millisecond early, which a deadline does not forgive.
    const check = (): void => (performance.now() < dueAt ? arm() : fn());
    arm();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** `Clock.sleep` in terms of `Clock.timer`, the same for every clock. */
export function sleepWith(
  clock: Pick<Clock, "timer">,
  ms: number,
  label: string,
  signal?: AbortSignal,
): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = (): void => {
      timer.cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const timer = clock.timer(ms, label, finish);
    signal?.addEventListener("abort", finish, { once: true });
  });
}

import type { Suspect } from "../../store/workers.ts";

/**
 * Beats in the future of the database's clock: after a failover to a host whose clock is behind, the beat of a dead
 * worker would look fresh until that clock has caught up. Such a beat counts as expired once it has not changed for a
 * lease, by the observer's own monotonic clock.
 */
export interface FutureBeat {
  readonly beat_us: number;
  /** When this beat was first seen, by the observer's clock. */
  readonly seenAt: number;
}

export type FutureBeats = ReadonlyMap<string, FutureBeat>;

export const noFutureBeats: FutureBeats = new Map();

export function observeBeats(
  known: FutureBeats,
  seen: readonly Suspect[],
  now: number,
): FutureBeats {
  const next = new Map<string, FutureBeat>();
  for (const { id, beat_us, ahead } of seen) {
    if (!ahead) continue;
    const before = known.get(id);
    next.set(id, before?.beat_us === beat_us ? before : { beat_us, seenAt: now });
  }
  return next;
}

export function expiredBeats(
  beats: FutureBeats,
  now: number,
  leaseMs: number,
): { id: string; beat_us: number }[] {
  return [...beats]
    .filter(([, beat]) => now - beat.seenAt >= leaseMs)
    .map(([id, { beat_us }]) => ({ id, beat_us }));
}

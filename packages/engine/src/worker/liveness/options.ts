/** How life is told from death (docs/spec.md, section 4). All by database time, but where it says otherwise. */
export interface LivenessOptions {
  readonly beatMs: number;
  /** A worker whose beat is older is dead. */
  readonly leaseMs: number;
  /** A worker whose registered lock is gone is dead as soon as its beat is older than this. */
  readonly silenceMs: number;
  /** For so many beats a worker must have been healthy before it takes chats that name another. */
  readonly settledBeats: number;
  /** How often the lock's own connection is asked whether the lock is still there. */
  readonly lockCheckMs: number;
  /** Rows of dead workers are kept for as long as this: what is looked for in the morning is still there. */
  readonly sweepAfterMs: number;
}

export const livenessDefaults: LivenessOptions = {
  beatMs: 1_000,
  leaseMs: 20_000,
  silenceMs: 1_500,
  settledBeats: 3,
  lockCheckMs: 5_000,
  sweepAfterMs: 60_000,
};

export interface CompactionOptions {
  /** `provider/model` that writes the summaries; null: the model of the turn. */
  readonly model: string | null;
  /** Share of the context window, in percent, from which on a chat is compacted by itself; 0: never. */
  readonly percent: number;
  /** For models whose window is not known; 0: those are not compacted by themselves before they refuse. */
  readonly windowTokensDefault: number;
}

export const compactionDefaults: CompactionOptions = {
  model: null,
  percent: 70,
  windowTokensDefault: 128_000,
};

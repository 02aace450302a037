/** Enough for the percentiles of a few seconds; later ones replace the earliest. */
const firstPartsMax = 512;

/** What has happened since somebody last looked. */
export interface Happened {
  readonly turns: number;
  /** Milliseconds, in no order. */
  readonly firstParts: readonly number[];
  readonly errors: ReadonlyMap<string, number>;
}

/** Counted where the metrics are: once for each turn or failure, never for a part. */
export class FigureCounts {
  #turns = 0;
  #firstParts: number[] = [];
  #seen = 0;
  #errors = new Map<string, number>();

  turn(): void {
    this.#turns += 1;
  }

  firstPart(durationMs: number): void {
    this.#firstParts[this.#seen % firstPartsMax] = durationMs;
    this.#seen += 1;
  }

  error(kind: string): void {
    this.#errors.set(kind, (this.#errors.get(kind) ?? 0) + 1);
  }

  /** And begins anew. */
  take(): Happened {
    const happened = { turns: this.#turns, firstParts: this.#firstParts, errors: this.#errors };
    this.#turns = 0;
    this.#firstParts = [];
    this.#seen = 0;
    this.#errors = new Map();
    return happened;
  }
}

import type { Happened } from "./figure-counts.ts";

/** One point for so long. */
export const figureEveryMs = 5_000;

/** Five minutes: what is worth looking at live. A ring of them is some three kilobytes. */
export const figurePointsMax = 60;

/** A beat that comes a little early still makes its point. */
const earlyMs = 500;

/** Kinds of failures are a closed list; this holds whatever becomes of it. */
const errorKindsMax = 24;

/** Figures of one replica as its beat stores them; each list has a value for each point, the newest last. */
export interface StoredFigures {
  readonly every_ms: number;
  readonly turns: readonly (number | null)[];
  readonly first_part_p50_ms: readonly (number | null)[];
  readonly first_part_p95_ms: readonly (number | null)[];
  readonly statements: readonly (number | null)[];
  readonly parts: readonly (number | null)[];
  readonly pool_used: readonly (number | null)[];
  readonly pool_waiting: readonly (number | null)[];
  readonly pool_size: number;
  readonly errors: Readonly<Record<string, readonly (number | null)[]>>;
}

/** Where the figures come from. Totals are since the start. */
export interface FigureSource {
  take(): Happened;
  statements(): number;
  parts(): number;
  pool(): { readonly size: number; readonly used: number; readonly waiting: number };
}

interface Point {
  readonly turns: number;
  readonly first_part_p50_ms: number | null;
  readonly first_part_p95_ms: number | null;
  readonly statements: number;
  readonly parts: number;
  readonly pool_used: number;
  readonly pool_waiting: number;
  readonly errors: ReadonlyMap<string, number>;
}

/** The last minutes of a replica, point by point. Whoever beats asks; there is no timer. */
export class Figures {
  readonly #source: FigureSource;
  /** null: nobody asked then. */
  readonly #points: (Point | null)[] = [];
  #at: number;
  #statements = 0;
  #parts = 0;
  #poolSize = 0;

  /** @param now of a monotonic clock, in milliseconds */
  constructor(source: FigureSource, now: number) {
    this.#source = source;
    this.#at = now;
    this.#statements = source.statements();
    this.#parts = source.parts();
  }

  /** The ring with a new point at its end, or null where none is due. */
  take(now: number): StoredFigures | null {
    const elapsedMs = now - this.#at;
    if (elapsedMs < figureEveryMs - earlyMs) return null;
    this.#at = now;
    // The points stand evenly: a pause leaves a gap, and what happened in it counts at its end.
    const missed = Math.min(Math.round(elapsedMs / figureEveryMs) - 1, figurePointsMax);
    for (let i = 0; i < missed; i++) this.#points.push(null);
    this.#points.push(this.#point(elapsedMs));
    this.#points.splice(0, this.#points.length - figurePointsMax);
    return this.#stored();
  }

  #point(elapsedMs: number): Point {
    const { turns, firstParts, errors } = this.#source.take();
    const [statements, parts] = [this.#source.statements(), this.#source.parts()];
    const { size, used, waiting } = this.#source.pool();
    const perSecond = (count: number): number => tenths((count * 1_000) / elapsedMs);
    const sorted = firstParts.toSorted((a, b) => a - b);
    const point = {
      turns: perSecond(turns),
      first_part_p50_ms: percentile(sorted, 0.5),
      first_part_p95_ms: percentile(sorted, 0.95),
      statements: perSecond(statements - this.#statements),
      parts: perSecond(parts - this.#parts),
      pool_used: used,
      pool_waiting: waiting,
      errors,
    };
    this.#statements = statements;
    this.#parts = parts;
    this.#poolSize = size;
    return point;
  }

  #stored(): StoredFigures {
    const points = this.#points;
    const list = (key: keyof Omit<Point, "errors">) => points.map((point) => point?.[key] ?? null);
    const kinds = [...new Set(points.flatMap((point) => [...(point?.errors.keys() ?? [])]))];
    const errors: Record<string, (number | null)[]> = {};
    for (const kind of kinds.slice(0, errorKindsMax)) {
      errors[kind] = points.map((point) => point && (point.errors.get(kind) ?? 0));
    }
    return {
      every_ms: figureEveryMs,
      turns: list("turns"),
      first_part_p50_ms: list("first_part_p50_ms"),
      first_part_p95_ms: list("first_part_p95_ms"),
      statements: list("statements"),
      parts: list("parts"),
      pool_used: list("pool_used"),
      pool_waiting: list("pool_waiting"),
      pool_size: this.#poolSize,
      errors,
    };
  }
}

/** Nearest rank: always a time that was measured. */
function percentile(sorted: readonly number[], share: number): number | null {
  const value = sorted[Math.ceil(sorted.length * share) - 1];
  return value === undefined ? null : Math.round(value);
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Chance from one seed. Everything that happens in a simulation is drawn from one of these. */
export interface Rng {
  /** Uniform in [0, 1). */
  float(): number;
  /** An integer from `min` to `max`, both included. */
  int(min: number, max: number): number;
  /** True with this probability. */
  chance(p: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** Picks by weight; a weight of 0 is never picked. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K;
  /** Exponentially distributed with this mean. */
  exponential(mean: number): number;
  /**
   * A source of its own. Actors and faults each have one, so that leaving one of them out does not change what the
   * others draw: that is what makes a failure small.
   */
  fork(label: string): Rng;
}

export function createRng(seed: string): Rng {
  const float = mulberry32(hash32(seed));
  const rng: Rng = {
    float,
    int: (min, max) => min + Math.floor(float() * (max - min + 1)),
    chance: (p) => float() < p,
    pick(items) {
      const item = items[Math.floor(float() * items.length)];
      if (item === undefined) throw new Error("nothing to pick from");
      return item;
    },
    weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
      const entries = Object.entries(weights) as [K, number][];
      let left = float() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [key, weight] of entries) {
        left -= weight;
        if (left < 0) return key;
      }
      throw new Error("nothing has a weight");
    },
    exponential: (mean) => -mean * Math.log(1 - float()),
    fork: (label) => createRng(`${seed}/${label}`),
  };
  return rng;
}

/** FNV-1a, with a last stirring: labels that differ in one letter give sources that have nothing in common. */
function hash32(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Tommy Ettinger's mulberry32, public domain: one word of state, and fast. */
function mulberry32(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

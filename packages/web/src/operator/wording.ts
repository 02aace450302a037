const units: readonly (readonly [unit: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/** "42 s", "3 min", "2 h": one unit is enough to see whether something is wrong. */
export function lasting(ms: number): string {
  if (ms < 1_000) return ms < 50 ? "0 s" : `${(ms / 1_000).toFixed(1)} s`;
  const fit = units.find(([, size]) => ms >= size) ?? (["s", 1_000] as const);
  return `${Math.floor(ms / fit[1])} ${fit[0]}`;
}

/** How long people wait: tenths of a second count. */
export function delay(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 10_000 ? `${Number((ms / 1_000).toFixed(1))} s` : lasting(ms);
}

/** Enough of an id to tell it from its neighbours: ours begin with the time. */
export function shortId(id: string): string {
  return id.slice(-8);
}

/** "127.0.0.1:7421" of an address of the relay. */
export function hostOf(address: string | null): string | null {
  return address?.replace(/^\w+:\/\//, "").replace(/\/.*$/, "") ?? null;
}

/** How much of something, to be read at a glance: 1,240 · 12.4 · 0.3 */
export function amount(value: number): string {
  const digits = value >= 100 || Number.isInteger(value) ? 0 : 1;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

const units: readonly (readonly [unit: Intl.RelativeTimeFormatUnit, seconds: number])[] = [
  ["day", 24 * 3600],
  ["hour", 3600],
  ["minute", 60],
];

/** "3 hours ago"; "just now" for less than a minute. */
export function ageOf(at: string, nowMs = Date.now()): string {
  const seconds = (nowMs - Date.parse(at)) / 1000;
  const fit = units.find(([, size]) => seconds >= size);
  if (fit === undefined) return "just now";
  const [unit, size] = fit;
  return new Intl.RelativeTimeFormat(undefined, { numeric: "auto" }).format(
    -Math.floor(seconds / size),
    unit,
  );
}

export function dateOf(at: string): string {
  return new Date(at).toLocaleDateString(undefined, { dateStyle: "medium" });
}

import type { UsageReport, UsageTotals } from "@parley/protocol";

/** What the replies of one model have used, in one place or time. */
export interface ModelUsage extends UsageTotals {
  readonly model: string;
}

export const usageFields = [
  "replies",
  "unpriced_replies",
  "input_tokens",
  "output_tokens",
  "reasoning_tokens",
  "cached_input_tokens",
  "cache_write_input_tokens",
  "total_tokens",
  "cost_usd_micros",
] as const satisfies readonly (keyof UsageTotals)[];

/** Adds up, in all and for each model. */
export function reportOf(rows: readonly ModelUsage[]): UsageReport {
  const byModel = Map.groupBy(rows, ({ model }) => model);
  return {
    total: sumOf(rows),
    models: [...byModel].map(([model, of]) => ({ model, ...sumOf(of) })),
  };
}

function sumOf(rows: readonly UsageTotals[]): UsageTotals {
  const sum = (field: keyof UsageTotals): number =>
    rows.reduce((total, row) => total + row[field], 0);
  return Object.fromEntries(
    usageFields.map((field) => [field, sum(field)]),
  ) as unknown as UsageTotals;
}

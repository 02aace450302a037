import { noStandingBudgets, type SpendPolicy } from "../../domain/spending.ts";
import { PriceTable } from "../../models/prices/price-table.ts";

/** What model calls cost, and what they are held to. */
export interface Spending {
  readonly prices: PriceTable;
  readonly policy: SpendPolicy;
}

export const spendingDefaults: Spending = {
  prices: new PriceTable(),
  policy: noStandingBudgets,
};

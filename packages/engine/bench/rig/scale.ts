import { readFileSync } from "node:fs";
import { short } from "./figures.ts";

/** What one replica and its database spend, as measured. */
interface UnitCosts {
  readonly partMicros: number;
  readonly storePartMicros: number;
  readonly turnMs: number;
  readonly storeTurnMs: number;
}

/** A chat that is in use: followed by one, a turn every 30 s that speaks for 5 s, 30 parts a second. */
const turnsPerSecond = 1 / 30;
const partsPerSecond = 30 * 5 * turnsPerSecond;

/** A database server of 32 cores, half of which may be busy: the rest is for peaks, vacuum and backups. */
const databaseCores = 16;

const sizes = [10_000, 100_000, 1_000_000];

/** What so many chats in use need, if all costs grow with their number: a table. */
export function scaleTable(costs: UnitCosts): string {
  const logBytes = logBytesPerTurn();
  const rows = sizes.map((chats) => {
    const [turns, parts] = [chats * turnsPerSecond, chats * partsPerSecond];
    const replicas = (turns * costs.turnMs) / 1e3 + (parts * costs.partMicros) / 1e6;
    const stores = (turns * costs.storeTurnMs) / 1e3 + (parts * costs.storePartMicros) / 1e6;
    const cells = [
      chats.toLocaleString("en"),
      Math.round(turns).toLocaleString("en"),
      Math.round(parts).toLocaleString("en"),
      short(replicas),
      short(stores),
      `${short((turns * logBytes) / 1e6)} MB`,
      Math.ceil(stores / databaseCores),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    "| chats in use | turns/s | parts/s | cores of replicas | cores of databases | log per second | databases |",
    "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ...rows,
  ].join("\n");
}

/** Counted, not timed: bench/costs.json. */
function logBytesPerTurn(): number {
  const costs = JSON.parse(
    readFileSync(new URL("../costs.json", import.meta.url), "utf8"),
  ) as Record<string, Record<string, number>>;
  return costs["a turn, followed on the same replica"]?.["bytes of write-ahead log"] ?? NaN;
}

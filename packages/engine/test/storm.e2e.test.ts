import { expect, test } from "vitest";
import { storm } from "./storm/storm.ts";

/**
 * Three replicas as processes, of which one is killed every few seconds, and people who do everything that people do. In
 * the end every screen shows what the database holds, and every message was answered once. `npm run storm`: in full.
 */

const full = process.env["PARLEY_STORM"] === "full";
const seed = process.env["PARLEY_STORM_SEED"] ?? "storm";

test("a storm of turns, stops, edits and kills leaves nothing lost or doubled", async () => {
  const faults = await storm(
    full
      ? { chats: 200, seed, thinkMs: 12_000, killEveryMs: 5_000, liveMsMax: 110_000 }
      : { chats: 40, seed, thinkMs: 3_000, killEveryMs: 5_000, liveMsMax: 40_000 },
  );
  expect(faults).toEqual([]);
});

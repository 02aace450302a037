import { readFileSync, writeFileSync } from "node:fs";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Lived, Place } from "../bench/programs/people.ts";
import { Cluster, idle, makeChats, type Member } from "../bench/rig/cluster.ts";
import { costOf } from "../bench/rig/cost.ts";
import { Program } from "../bench/rig/program.ts";
import type { StatsSnapshot } from "../src/postgres/stats.ts";

/**
 * What a turn costs where no clock is needed to see it: statements, round trips, transactions, write-ahead log, bytes to
 * a subscriber, bytes allocated. The replicas are processes of their own on a database server of their own. `PARLEY_TEST_UPDATE=true` writes the figures anew.
 */

type Costs = Record<string, number>;

const page = new URL("../bench/costs.json", import.meta.url);
const model = "bench/fixed";
const chats = 10;
const turns = 3;

/** How far a figure may be off, as a share; what is not named here is exact on the replica that drives the chat. */
const tolerances: Readonly<Record<string, number>> = {
  "bytes of write-ahead log": 0.05,
  "bytes to the subscriber": 0.05,
  "bytes allocated": 0.1,
};
/** Hints and parts that come close together go as one, the more so on a machine that is busy. */
const toleranceElsewhere = 0.25;

/** Beats and polls have a part in these, where the clock goes. */
const byTheClock = new Set(["bytes of write-ahead log", "bytes allocated"]);

/** New space that holds all that is allocated while it is counted. */
const flags = ["--min-semi-space-size=512", "--max-semi-space-size=512"];

let cluster: Cluster;
let people: Program;
let database: pg.Client;

beforeAll(async () => {
  cluster = await Cluster.start();
  database = new pg.Client({ connectionString: cluster.databaseUrl });
  await database.connect();
  // What goes by the clock of the server writes to its log, too.
  await database.query("alter system set autovacuum = off");
  await database.query("alter system set full_page_writes = off");
  await database.query("select pg_reload_conf()");
  people = await Program.start("people");
}, 120_000);

afterAll(async () => {
  await people.kill();
  await database.end();
  await cluster.stop();
});

async function logBytes(): Promise<number> {
  const text = "select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as bytes";
  const { rows } = await database.query<{ bytes: string }>(text);
  return Number(rows[0]?.bytes);
}

async function live(owner: Member, count: number): Promise<Lived> {
  const lived = await people.call<Lived>("live", { atOnce: 1, turns: count });
  await idle(owner);
  return lived;
}

/** Per turn, of turns one after the other in chats that exist. */
async function turnCosts(owner: Member, edge: Member): Promise<Costs> {
  const members = [...new Set([owner, edge])];
  const ids = await makeChats(owner, chats, model);
  await people.call(
    "come",
    ids.map((id): Place => owner.place(id, model, edge)),
  );
  await live(owner, 2);
  const stats = async (): Promise<StatsSnapshot[]> =>
    await Promise.all(members.map(async ({ program }) => await program.call("stats")));
  for (const { program } of members) await program.call("watchHeap");
  const [before, logBefore] = [await stats(), await logBytes()];
  const lived = await live(owner, turns);
  const [after, logAfter] = [await stats(), await logBytes()];
  let allocated = 0;
  for (const { program } of members) allocated += (await program.call<number>("allocated")) ?? NaN;
  await people.call("leave");
  expect(lived.failures).toBe(0);
  const cost = costOf(before, after);
  const per = (sum: number): number => Number((sum / lived.turns).toFixed(1));
  return {
    statements: per(cost.statements),
    "round trips": per(cost.roundTrips),
    "read transactions": per(cost.reads),
    "write transactions": per(cost.writes),
    "bytes of write-ahead log": Math.round(per(logAfter - logBefore)),
    "bytes to the subscriber": Math.round(per(lived.bytes)),
    "bytes allocated": Math.round(per(allocated)),
  };
}

test("what a turn of 20 parts costs is what is committed in bench/costs.json", async () => {
  // Alone on its server, and with a clock that stands: its log has nothing in it but turns.
  const only = await cluster.replica({ still: true }, "only", flags);
  const here = await turnCosts(only, only);
  await only.program.kill();
  const owner = await cluster.replica({}, "owner");
  const edge = await cluster.replica({ env: { PARLEY_CAPACITY: "0" } }, "edge");
  const elsewhere = await turnCosts(owner, edge);
  const measured: Record<string, Costs> = {
    "a turn, followed on the same replica": here,
    "a turn, followed on another replica": Object.fromEntries(
      Object.entries(elsewhere).filter(([figure]) => !byTheClock.has(figure)),
    ),
  };
  // oxlint-disable-next-line no-console -- printing it is half of what this test is for
  console.log(JSON.stringify(measured, null, 2));
  if (process.env["PARLEY_TEST_UPDATE"] === "true") {
    writeFileSync(page, `${JSON.stringify(measured, null, 2)}\n`);
    return;
  }
  const committed = JSON.parse(readFileSync(page, "utf8")) as typeof measured;
  for (const [name, costs] of Object.entries(measured)) {
    for (const [figure, cost] of Object.entries(costs)) {
      const known = committed[name]?.[figure] ?? NaN;
      const isHere = name.endsWith("same replica");
      const off = known * (isHere ? (tolerances[figure] ?? 0) : toleranceElsewhere);
      expect(
        Math.abs(cost - known),
        `${name}: ${figure} ${cost}, ${known} committed`,
      ).toBeLessThanOrEqual(off);
    }
  }
}, 300_000);

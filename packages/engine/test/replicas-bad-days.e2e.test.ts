import { chown, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { eventually } from "./eventually.ts";
import { previewText } from "./follow.ts";
import { expectSoundStream, readies } from "./onlooker.ts";
import { badDay, expectWell, type BadDay } from "./replicas-bad-days.ts";

/** What the database does to replicas that are processes. */

const notReady = async ({ fleet }: BadDay): Promise<boolean> => {
  const answers = await Promise.all(
    fleet.members.map(async ({ url }) => (await fetch(`${url}/readyz`)).status),
  );
  return answers.every((status) => status === 503);
};

describe("the database", () => {
  test("restarts: nothing is lost, no stream breaks", async (context) => {
    const day = await badDay(context);
    const { fleet, screens, next } = day;
    process.kill(fleet.database.pid, "SIGINT");
    await eventually("both replicas have noticed", async () => await notReady(day));
    next();
    for (const screen of screens) {
      await screen.until("the piece said meanwhile", (t) => previewText(t).endsWith("bad, "));
    }
    next();
    await fleet.database.revive();
    await expectWell(day);
    for (const screen of screens) {
      expectSoundStream(screen.events);
      expect(readies(screen.events)).toBe(1);
    }
  });

  test("fails over to an address that refuses writes for a while, and becomes another timeline", async (context) => {
    const day = await badDay(context);
    const { fleet, chatId, screens, next } = day;
    const { clusterDir, pid } = fleet.database;
    const [before] = await fleet.sql<{ timeline: number }>(timeline);
    process.kill(pid, "SIGQUIT");
    await eventually("both replicas have noticed", async () => await notReady(day));
    const signal = join(clusterDir, "standby.signal");
    await writeFile(signal, "");
    const { uid, gid } = await stat(clusterDir);
    await chown(signal, uid, gid);
    await fleet.database.revive();
    await eventually("it answers as a standby", async () => {
      const rows = await fleet.sql<{ standby: boolean }>("select pg_is_in_recovery() as standby");
      return rows[0]?.standby === true;
    });
    next();
    next();
    const refused = fleet.members.map(
      async ({ client }) => await client.sendMessage(chatId, { content: "Lost?" }),
    );
    for (const outcome of await Promise.allSettled(refused)) {
      expect(outcome).toMatchObject({
        status: "rejected",
        reason: { status: 503, code: "database_unavailable" },
      });
    }
    await fleet.sql("select pg_promote()");
    await expectWell(day);
    const [after] = await fleet.sql<{ timeline: number }>(timeline);
    expect(after?.timeline).toBe((before?.timeline ?? 0) + 1);
    // What stood before it counts no more: every stream was told everything anew.
    for (const { events } of screens) {
      expect(events.filter(({ type }) => type === "history_reset").length).toBeGreaterThan(1);
    }
    for (const member of fleet.members) expect(member.output()).toContain("starts over");
  });

  test("answers slowly: everything takes longer, and nobody is held for dead", async (context) => {
    const day = await badDay(context, { throughProxy: true });
    const { fleet, screens, next } = day;
    fleet.proxy?.slowDown(250);
    next();
    next();
    await expectWell(day);
    fleet.proxy?.slowDown(0);
    for (const screen of screens) expectSoundStream(screen.events);
    for (const member of fleet.members) {
      expect(member.output()).not.toContain("held this worker for dead");
    }
    const { takeovers } = await fleet.counted();
    expect(takeovers).toBe(0);
  });
});

const timeline =
  "select ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int as timeline";

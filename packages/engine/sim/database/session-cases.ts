import { deepStrictEqual } from "node:assert/strict";
import type { DedicatedConnection } from "../../src/postgres/dedicated.ts";
import type { WriteTx } from "../../src/postgres/sql.ts";
import { seeLock, tryLock } from "../../src/store/workers.ts";

/** A server with sessions, real or simulated. */
export interface SessionWorld {
  readonly connect: (label: string) => Promise<DedicatedConnection>;
  readonly transaction: <T>(fn: (tx: WriteTx) => Promise<T>) => Promise<T>;
  /** Waits, within reason, for something that happens a little later. */
  readonly until: (condition: () => Promise<boolean> | boolean) => Promise<void>;
}

export interface SessionCase {
  readonly name: string;
  readonly run: (world: SessionWorld) => Promise<void>;
}

const heldByAnybody = async (sql: DedicatedConnection, key: number): Promise<boolean> => {
  const [row] = await sql.query<{ held: boolean }>({
    name: "conformance.held",
    text: `select parley.worker_lock_held($1::bigint) as held`,
    values: [key],
  });
  return row?.held ?? false;
};

const notify = async (sql: DedicatedConnection | WriteTx, payload: string): Promise<void> => {
  await sql.query({
    name: "conformance.notify",
    text: `select pg_notify('parley', $1)`,
    values: [payload],
  });
};

/** A key that no other test uses, beyond 32 bits. */
const key = 123_456_789_012_345;

/** What the engine relies on of sessions, and what one session inside of a process cannot show by itself. */
export const sessionCases: readonly SessionCase[] = [
  {
    name: "a session lock is one session's, and shows under its backend",
    async run({ connect }) {
      const [one, other] = [await connect("one"), await connect("other")];
      deepStrictEqual(await tryLock(one, key), true);
      deepStrictEqual(await tryLock(other, key), false);
      const seen = [await seeLock(one, key), await seeLock(other, key)];
      deepStrictEqual(
        seen.map(({ held }) => held),
        [true, false],
      );
      deepStrictEqual(seen[0]?.pid === seen[1]?.pid, false);
      deepStrictEqual(await heldByAnybody(other, key), true);
      await one.close();
      await other.close();
    },
  },
  {
    name: "a session lock ends with its session, and another may have it",
    async run({ connect, until }) {
      const [one, other] = [await connect("one"), await connect("other")];
      deepStrictEqual(await tryLock(one, key + 1), true);
      await one.close();
      await until(async () => !(await heldByAnybody(other, key + 1)));
      deepStrictEqual(await heldByAnybody(other, key + 1), false);
      deepStrictEqual(await tryLock(other, key + 1), true);
      await other.close();
    },
  },
  {
    name: "a notification reaches every session that listens, once it is committed, and no other",
    async run({ connect, transaction, until }) {
      const [listening, deaf] = [await connect("listening"), await connect("deaf")];
      const heard: string[] = [];
      listening.onNotification((_channel, payload) => void heard.push(payload));
      deaf.onNotification((_channel, payload) => void heard.push(`deaf ${payload}`));
      await listening.exec("listen parley");
      await transaction(async (tx) => {
        await notify(tx, "rolled back");
        throw new Error("no");
      }).catch(() => {});
      await notify(deaf, "committed");
      await until(() => heard.length > 0);
      deepStrictEqual(heard, ["committed"]);
      await listening.close();
      await deaf.close();
    },
  },
  {
    name: "an error inside a transaction undoes all of it, and the next one begins anew",
    async run({ transaction, connect }) {
      const id = "00000000-0000-7000-8000-00000000c0f1";
      const insert = {
        name: "conformance.insert",
        text: `insert into parley.principals (id, name) values ($1, 'conformance')`,
        values: [id],
      };
      const failing = transaction(async (tx) => {
        await tx.query(insert);
        await tx.query(insert);
      });
      const code = await failing.then(
        () => null,
        (error: unknown) => (error as { sqlState?: string }).sqlState,
      );
      deepStrictEqual(code, "23505");
      const found = await transaction(async (tx) => {
        return await tx.query({
          name: "conformance.find",
          text: `select id from parley.principals where id = $1`,
          values: [id],
        });
      });
      deepStrictEqual(found, []);
      const sql = await connect("after");
      const [row] = await sql.query<{ one: number }>({
        name: "conformance.one",
        text: "select 1 as one",
      });
      deepStrictEqual(row, { one: 1 });
      await sql.close();
    },
  },
  {
    name: "time goes on inside of a transaction",
    async run({ transaction }) {
      const now = {
        name: "conformance.now",
        text: `select parley.now() as now, clock_timestamp() as clock`,
      };
      await transaction(async (tx) => {
        const [before] = await tx.query<{ now: Date; clock: Date }>(now);
        const [after] = await tx.query<{ now: Date; clock: Date }>(now);
        deepStrictEqual((after?.now ?? 0) >= (before?.now ?? 1), true);
      });
    },
  },
];
